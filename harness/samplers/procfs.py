"""What Linux says of a process under /proc: a few system calls each, for a sampler that may not disturb (proc(5)).

psutil asks for more than is needed here, and finds a process's children by reading every process of the host.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = "/proc"
MOST_BYTES: Final = 1 << 16  # of one file
TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Resident:
    """What a process holds of the memory."""

    rss_bytes: int
    peak_bytes: int  # VmHWM


@dataclass(frozen=True, slots=True)
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
    """Return what a process holds, None when it has gone; a process that is ending holds nothing."""
    found = _lines(f"{proc}/{pid}/status", ("VmRSS:", "VmHWM:"))
    return Resident(found["VmRSS:"] * 1024, found["VmHWM:"] * 1024) if len(found) == 2 else None


def rollup(pid: int, proc: str = PROC) -> tuple[int, int] | None:
    """Return the unique and the proportional set size of a process in bytes; None: it has gone, or is not ours.

    The kernel walks through all its pages for that: 5 ms for a gigabyte.
    """
    found = _lines(f"{proc}/{pid}/smaps_rollup", ("Pss:", "Private_Clean:", "Private_Dirty:", "Private_Hugetlb:"))
    if "Pss:" not in found:
        return None
    unique = sum(kib for name, kib in found.items() if name.startswith("Private_"))
    return unique * 1024, found["Pss:"] * 1024


def used(pid: int, proc: str = PROC) -> Used | None:
    """Return what a process has used so far, None when it has gone."""
    try:
        fields = text(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None
    # Fields 12 to 17 of proc(5), of which the name is the second: majflt, cmajflt, utime, stime, cutime, cstime.
    faults, child_faults, *ticks = (int(field) for field in fields[9:15])
    return Used(cpu_ns=sum(ticks) * TICK_NS, major_faults=faults + child_faults)


def involuntary_switches(pid: int, proc: str = PROC) -> int:
    """Return how often a thread of a process lost its processor; of threads that have ended nobody knows."""
    files = (f"{proc}/{pid}/task/{thread}/status" for thread in _threads(pid, proc))
    name = "nonvoluntary_ctxt_switches:"
    return sum(_lines(file, (name,)).get(name, 0) for file in files)


def tree(pid: int, proc: str = PROC) -> list[int]:
    """Return a process and all that descend from it, itself first, as /proc/PID/task/TID/children has them."""
    found = [pid]
    for one in found:  # it grows as we go
        for thread in _threads(one, proc):
            with contextlib.suppress(OSError):
                found += (int(child) for child in text(f"{proc}/{one}/task/{thread}/children").split())
    return found


def groups(pid: int, proc: str = PROC) -> str:
    """Return a process's control groups as the kernel lists them, empty when it has gone (cgroups(7))."""
    try:
        return text(f"{proc}/{pid}/cgroup")
    except OSError:
        return ""


def folders(membership: str, controller: str, mounts: Path = Path("/sys/fs/cgroup")) -> list[Path]:
    """Return the folders of the control group of `controller` in `groups`' text, then those of the groups around it.

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
    found = _lines(str(group / "cpu.stat"), ("nr_throttled",))
    return found.get("nr_throttled")


def _upwards(root: Path, path: str) -> list[Path]:
    inner = root / path.strip("/")
    return [one for one in (inner, *inner.parents) if one.is_relative_to(root) and one.is_dir()]


def _threads(pid: int, proc: str) -> list[str]:
    try:
        return os.listdir(f"{proc}/{pid}/task")  # noqa: PTH208 - names are enough
    except OSError:
        return []


def _lines(path: str, names: tuple[str, ...]) -> dict[str, int]:
    """Return the number behind each of `names` that opens a line of a file; none when the file is not there."""
    try:
        found = "\n" + text(path)
    except OSError:
        return {}
    starts = {name: found.find(f"\n{name}") for name in names}
    return {name: int(found[at + 1 + len(name) :].split(maxsplit=1)[0]) for name, at in starts.items() if at >= 0}
