"""What Linux says of a process under /proc, in a few system calls, for a sampler that must not disturb (proc(5)).

psutil reads more than is needed here, and finds a process's children by reading every process of the host.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = "/proc"
MOST_BYTES: Final = 1 << 16  # of one file
TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """The memory that a process holds."""

    rss_bytes: int
    peak_bytes: int  # VmHWM


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a process has used so far, all its threads and the children that it waited for."""

    cpu_ns: int  # 10 ms resolution
    major_faults: int


def text(path: str) -> str:
    """Return the text of a small file in three system calls, a third of what `open` takes; raises OSError."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, MOST_BYTES).decode(errors="replace")
    finally:
        os.close(file)


def resident(pid: int, proc: str = PROC) -> Resident | None:
    """Return what a process holds, None when it has ended; a process that is ending holds nothing."""
    sizes = _lines(f"{proc}/{pid}/status", ("VmRSS:", "VmHWM:"))
    if len(sizes) < 2:
        return None
    return Resident(rss_bytes=sizes["VmRSS:"] * 1024, peak_bytes=sizes["VmHWM:"] * 1024)


def rollup(pid: int, proc: str = PROC) -> tuple[int, int] | None:
    """Return the unique and the proportional set size of a process in bytes; None: it has ended, or is not ours.

    The kernel walks through all its pages for that: 5 ms for a gigabyte.
    """
    sizes = _lines(f"{proc}/{pid}/smaps_rollup", ("Pss:", "Private_Clean:", "Private_Dirty:", "Private_Hugetlb:"))
    if "Pss:" not in sizes:
        return None
    unique = sum(kib for name, kib in sizes.items() if name.startswith("Private_"))
    return unique * 1024, sizes["Pss:"] * 1024


def used(pid: int, proc: str = PROC) -> Used | None:
    """Return what a process has used so far, None when it has ended."""
    try:
        fields = text(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None
    # Fields 12 to 17 of proc(5), of which the name is the second: majflt, cmajflt, utime, stime, cutime, cstime.
    faults, child_faults, *ticks = (int(field) for field in fields[9:15])
    return Used(cpu_ns=sum(ticks) * TICK_NS, major_faults=faults + child_faults)


def involuntary_switches(pid: int, proc: str = PROC) -> int:
    """Return how often a thread of a process lost its processor; threads that have ended are not counted."""
    files = (f"{proc}/{pid}/task/{thread}/status" for thread in _threads(pid, proc))
    name = "nonvoluntary_ctxt_switches:"
    return sum(_lines(file, (name,)).get(name, 0) for file in files)


def tree(pid: int, proc: str = PROC) -> list[int]:
    """Return a process and all that descend from it, itself first, as /proc/PID/task/TID/children has them."""
    pids = [pid]
    for parent in pids:  # the list grows in the loop
        for thread in _threads(parent, proc):
            with contextlib.suppress(OSError):
                pids += (int(child) for child in text(f"{proc}/{parent}/task/{thread}/children").split())
    return pids


def groups(pid: int, proc: str = PROC) -> str:
    """Return a process's control groups as the kernel lists them, empty when it has ended (cgroups(7))."""
    try:
        return text(f"{proc}/{pid}/cgroup")
    except OSError:
        return ""


def folders(membership: str, controller: str, mounts: Path = Path("/sys/fs/cgroup")) -> list[Path]:
    """Return the folders of the control group of `controller` in the text of `groups`, then those of its parents.

    Version 2 has one hierarchy and no name of a controller, version 1 one for each.
    """
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and (mounts / controller).is_dir():
            return _upwards(mounts / controller, path)
    for line in membership.splitlines():
        if line.startswith("0::") and (mounts / "cgroup.controllers").exists():
            return _upwards(mounts, line[3:])
    return []


def peak_bytes(group: Path) -> int | None:
    """Return the most memory that a control group ever held, by version 2's file or version 1's."""
    for name in ("memory.peak", "memory.max_usage_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return int(text(str(group / name)))
    return None


def throttled_periods(group: Path) -> int | None:
    """Return how often a control group has used up its share of the processors; None: it has no such limit."""
    return _lines(str(group / "cpu.stat"), ("nr_throttled",)).get("nr_throttled")


def _upwards(root: Path, path: str) -> list[Path]:
    inner = root / path.strip("/")
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root) and folder.is_dir()]


def _threads(pid: int, proc: str) -> list[str]:
    try:
        return os.listdir(f"{proc}/{pid}/task")  # noqa: PTH208 - names are enough
    except OSError:
        return []


def _lines(path: str, names: tuple[str, ...]) -> dict[str, int]:
    """Return the number after each of `names` at the start of a line; none when the file is not there."""
    try:
        content = "\n" + text(path)
    except OSError:
        return {}
    starts = {name: content.find(f"\n{name}") for name in names}
    return {name: int(content[at + 1 + len(name) :].split(maxsplit=1)[0]) for name, at in starts.items() if at >= 0}
