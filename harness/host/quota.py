"""The CPU quota of a control group: how much processor time its processes may have, whichever processors they use.

A quota stops every process of the group for the rest of a period (100 ms) once it is used up. The kernel counts these
stops, but it hands the time out in slices, and a group that runs slowly all the time may count hardly any.
"""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

from harness.host.control_groups import MEMBERSHIP, MOUNTS, folders


def processors(membership: Path = MEMBERSHIP, mounts: Path = MOUNTS) -> float | None:
    """Return how many processors' time this process may have, by its control groups and those above; None: any.

    Args:
        membership: lines "number:controllers:path" (cgroups(7)).
        mounts: where version 2 is mounted, and version 1 in a folder for each controller.
    """
    return min(_limits(membership, mounts), default=None)


def sentence(cpus: Collection[int], limit: float | None) -> str:
    """Return what a quota smaller than the CPU set `cpus` does, with the remedy; empty where there is none."""
    if limit is None or limit >= len(cpus):
        return ""
    wanted = "one processor" if len(cpus) == 1 else f"{len(cpus)} processors"
    return (
        f"A CPU quota gives this process {limit:.2g} of the {wanted} of the CPU set (cpu.max, or cpu.cfs_quota_us):"
        " what it slows down is invalid. Lift the quota, or name fewer processors with --cpus."
    )


def _limits(membership: Path, mounts: Path) -> Iterator[float]:
    for controller, folder in folders(("", "cpu"), membership, mounts):
        yield from _of_1(folder) if controller else _of_2(folder / "cpu.max")


def _of_2(file: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = file.read_text(encoding="ascii").split()
        yield int(quota) / int(period)  # "max": no number, no limit


def _of_1(folder: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        if quota > 0:  # -1: no limit
            yield quota / int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
