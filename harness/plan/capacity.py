"""How much memory a replicate can have: the GPU's, or the least of the free memory and the limits of its process.

A process of this host has the limits of the harness's own control groups. A container does not have those: its limit is
the allowance of `harness.launchers.hardening`, whichever launcher starts it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.catalogue import SizeOffer, WorkloadOffer
from bench.records.record import Cell
from bench.reference.work import forward_at
from harness.errors import SelectionError, SetupError
from harness.format import memory_size
from harness.host import gpus, nvidia
from harness.host.control_groups import MEMBERSHIP, MOUNTS, folders
from harness.launchers.hardening import Allowance

UNITS: Final[Mapping[str, int]] = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}  # powers of two
LIMIT_FILES: Final = {"": "memory.max", "memory": "memory.limit_in_bytes"}  # of cgroup 2 and of 1


@dataclass(frozen=True, slots=True)
class Capacity:
    """Memory that a replicate can have."""

    bytes: int
    whose: str  # where it comes from: "that this host has free"

    def __str__(self) -> str:
        """Return it as part of a sentence: "the 8 GiB that this host has free"."""
        return f"the {memory_size(self.bytes)} {self.whose}"


def available(device: str, *, in_container: Sequence[bool], variables: Mapping[str, str] = os.environ) -> Capacity:
    """Return the memory of a replicate in the launcher that gives it least.

    `in_container` has one value for each launcher: whether its replicates run in containers.

    Raises:
        SetupError: SAMESTEP_MEMORY, which limits a container, is not an amount of memory.
    """
    if device == "cuda" and (sizes := gpu_bytes(in_container, variables)):
        return Capacity(min(sizes), "that the GPU has")
    capacities = [Capacity(psutil.virtual_memory().available, "that this host has free")]
    if any(in_container):
        capacities.append(Capacity(bytes_of(Allowance.of(variables).memory), "that SAMESTEP_MEMORY gives a container"))
    if not all(in_container):
        capacities += [Capacity(limit, "that this process's control group allows") for limit in limits()]
    return min(capacities, key=lambda capacity: capacity.bytes)


def gpu_bytes(in_container: Sequence[bool], variables: Mapping[str, str] = os.environ) -> list[int]:
    """Return the bytes of the GPU or MIG instance that each launcher's replicates run on; none without NVML's answer.

    `in_container` and `variables` are as in `available`.
    """
    names = dict.fromkeys(gpus.wanted(variables, in_container=each) for each in in_container)
    try:
        return [gpus.memory_bytes(name) for name in names]
    except nvidia.NvidiaError:
        return []


def limits(membership: Path = MEMBERSHIP, mounts: Path = MOUNTS) -> Iterator[int]:
    """Yield the limits, in bytes, of this process's memory control group and of the groups that contain it.

    Args:
        membership: lines "number:controllers:path" (cgroups(7)).
        mounts: where version 2 is mounted, and version 1 in a folder for each controller.
    """
    for controller, folder in folders(LIMIT_FILES, membership, mounts):
        if (limit := _limit(folder / LIMIT_FILES[controller])) is not None:
            yield limit


def _limit(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max": no limit


def bytes_of(amount: str) -> int:
    """Return the bytes of an amount as Docker writes it: "16g", "512m", "1.5GiB"; raises SetupError."""
    parts = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", amount.strip().lower())
    if parts is None:
        raise SetupError(f"SAMESTEP_MEMORY is {amount!r}, which is not an amount of memory: write it as 16g.")
    return int(float(parts[1]) * 2 ** UNITS[parts[2]])


def footprints(offers: Iterable[WorkloadOffer]) -> Mapping[tuple[str, str], int]:
    """Return the least bytes that a step holds, by workload and size."""
    return {key: work.footprint for key, work in _works(offers).items()}


def _works(offers: Iterable[WorkloadOffer]) -> Mapping[tuple[str, str], SizeOffer]:
    return {(offer.name, work.name): work for offer in offers for work in offer.works}


def _least(cell: Cell, works: Mapping[tuple[str, str], SizeOffer]) -> int:
    """Return the least bytes that a step of `cell` holds; 0: nothing is declared of it."""
    work = works.get((cell.workload, cell.size))
    if work is None:
        return 0
    return forward_at(work, cell.batch).footprint if cell.batch else work.footprint * cell.enlarged


def fitting(
    cells: Sequence[Cell], offers: Iterable[WorkloadOffer], available: Capacity, *, typed: bool
) -> tuple[Cell, ...]:
    """Return the cells whose size can fit into the memory `available`.

    Raises:
        SelectionError: one cannot fit, and the sizes were `typed`; or none can.
    """
    least = _works(offers)
    small = tuple(cell for cell in cells if _least(cell, least) <= available.bytes)
    if small and (len(small) == len(cells) or not typed):
        return small
    first = next(cell for cell in cells if cell not in small)
    bytes_ = _least(first, least)
    raise SelectionError(
        f"{first.workload} {first.size} holds at least {memory_size(bytes_)} in a step, more than"
        f" {available}: name smaller sizes with --size."
    )
