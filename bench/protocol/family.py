"""This process and all that descend from it: processor time, memory, what was read from the device. From proc(5).

A pipeline may have worker processes. Their processor time is that of the living ones and, as the kernel adds it up in
their parents, of those that ended; `os.times()` has only the latter. Other processes count in ticks of 10 ms.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records.streaming import MemoryKind

PROC: Final = Path("/proc")
NS_PER_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PARENT, OWN_TIME, ENDED_CHILDREN = 1, slice(11, 13), slice(13, 15)  # fields of stat, counted after the name


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """All processes at one moment."""

    cpu_ns: int  # so far, of all threads
    read_bytes: int | None  # from the storage device so far; None: the kernel does not count it
    processes: int
    threads: int
    cpus: tuple[int, ...]  # that any of them may use


def family() -> Family:
    """Return what this process and its descendants have used."""
    own = os.getpid()
    stats = dict(_stats())
    members = [own, *_descendants(own, {pid: int(fields[PARENT]) for pid, fields in stats.items()})]
    ticks = sum(int(n) for n in stats[own][ENDED_CHILDREN])
    ticks += sum(int(n) for pid in members[1:] for n in (*stats[pid][OWN_TIME], *stats[pid][ENDED_CHILDREN]))
    reads = [_read_bytes(pid) for pid in members]
    return Family(
        cpu_ns=time.process_time_ns() + ticks * NS_PER_TICK,
        read_bytes=None if reads[0] is None else sum(filter(None, reads)),
        processes=len(members),
        threads=sum(map(_threads, members)),
        cpus=tuple(sorted(set().union(*map(_cpus, members)))),
    )


def memory() -> tuple[int | None, MemoryKind | None]:
    """Return what all processes hold in memory: pages that several share count once (pss), else in each (rss)."""
    members = [os.getpid(), *descendants()]
    shares = [_status(pid, "smaps_rollup", "Pss:") for pid in members]
    if None not in shares:
        return sum(filter(None, shares)), "pss"
    resident = [_status(pid, "status", "VmRSS:") for pid in members]
    return (None, None) if resident[0] is None else (sum(filter(None, resident)), "rss")


def descendants() -> list[int]:
    """Return the PIDs of the processes that descend from this one."""
    return _descendants(os.getpid(), {pid: int(fields[PARENT]) for pid, fields in _stats()})


def killed_child(within_s: float = 1.0) -> str:
    """Return the signal that ended a child of this process, as "SIGKILL"; empty: none ended so within this time.

    Whoever started the child may still wait for it. Its sockets close a moment before it counts as ended.
    """
    until = time.monotonic() + within_s
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return ""
        if ended is not None:
            return "" if ended.si_code == os.CLD_EXITED else signal.Signals(ended.si_status).name
        if time.monotonic() >= until:
            return ""
        time.sleep(0.01)


def _descendants(root: int, parents: dict[int, int]) -> list[int]:
    found, new = [], [root]
    while new:
        new = [pid for pid, parent in parents.items() if parent in new]
        found += new
    return found


def _stats() -> Iterator[tuple[int, list[str]]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                yield int(entry.name), text.rpartition(")")[2].split()


def _read_bytes(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((PROC / str(pid) / "io").read_text(encoding="ascii").partition("\nread_bytes:")[2].split()[0])
    return None


def _status(pid: int, file: str, name: str) -> int | None:
    """Return a figure in bytes; None: it cannot be read."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = (PROC / str(pid) / file).read_text(encoding="utf-8", errors="replace")
        return int(text.partition(f"\n{name}")[2].split()[0]) * 1024
    return None


def _threads(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "task").iterdir())
    except OSError:
        return 0


def _cpus(pid: int) -> set[int]:
    try:
        return os.sched_getaffinity(pid)
    except OSError:
        return set()
