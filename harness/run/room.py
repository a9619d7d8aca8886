"""How much memory is left for one more process beside the parked ones of a group.

The parked processes already hold theirs: what the host has free is for the next one. A control group's limit and a
container's allowance are totals, so what the parked processes hold is subtracted from them. A GPU is shared only by
processes whose peaks are known from an earlier block, and by as many as fit.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import psutil

from harness.launchers.hardening import Allowance
from harness.plan import capacity

UNKNOWN_BYTES: Final = 1 << 30  # taken for a process of a framework that has not been seen yet
SPARE_BYTES: Final = 512 << 20  # of the host that parked processes leave free
GPU_SHARE: Final = 0.9  # of a GPU's memory that the processes of a group may take together


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one process needs."""

    framework: str  # with its variant
    in_container: bool
    host_bytes: int | None  # None: not known yet
    device_bytes: int | None  # of the GPU; None: not known yet, or no GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The memory of a session's host, and of its GPU."""

    gpu_bytes: int | None  # None: the run uses no GPU
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @staticmethod
    def of(device: str, *, in_container: Sequence[bool] = (False,)) -> "Room":
        """Return the room of this host; `device` "cuda": and of the GPU that the run uses, the smallest of several.

        `in_container` has one value for each launcher, as in `capacity.available`.
        """
        return Room(gpu_bytes=min(capacity.gpu_bytes(in_container), default=0) if device == "cuda" else None)

    def has(self, need: Need, parked: Sequence[Need]) -> bool:
        """Return whether there is memory for `need` beside `parked`, whose bytes are what they hold."""
        if self.gpu_bytes is not None and parked and not self._gpu_has((*parked, need)):
            return False
        return _wanted(need, parked) <= self.free_bytes(need, parked)

    def has_all(self, needs: Sequence[Need], parked: Sequence[Need]) -> bool:
        """Return whether there is memory for all of `needs` together, beside `parked`."""
        if not all(self.has(need, parked) for need in needs):
            return False
        if len(needs) < 2:
            return True
        if self.gpu_bytes is not None and not self._gpu_has((*parked, *needs)):
            return False
        limits = [self.free_bytes(need, parked) for need in needs if not need.in_container]
        return sum(_wanted(need, parked) for need in needs) <= min([_free(), *limits])

    def free_bytes(self, need: Need, parked: Sequence[Need]) -> int:
        """Return the bytes of the host that one more process can have."""
        free = _free()
        if need.in_container:  # `docker compose up` has one container for all processes of a framework
            held = sum(each.host_bytes or 0 for each in parked if each.framework == need.framework)
            return min(free, capacity.bytes_of(Allowance.of(self.variables).memory) - held)
        held = sum(each.host_bytes or 0 for each in parked)
        return min([free, *(limit - SPARE_BYTES - held for limit in capacity.limits())])

    def _gpu_has(self, needs: Sequence[Need]) -> bool:
        known = [each.device_bytes for each in needs if each.device_bytes is not None]
        return len(known) == len(needs) and sum(known) <= GPU_SHARE * (self.gpu_bytes or 0)


def _free() -> int:
    return psutil.virtual_memory().available - SPARE_BYTES


def _wanted(need: Need, parked: Sequence[Need]) -> int:
    """Return the bytes that a process takes; of one not seen yet those of its framework's largest that is parked."""
    alike = [each.host_bytes or 0 for each in parked if each.framework == need.framework]
    return need.host_bytes or max(alike, default=UNKNOWN_BYTES)
