"""What the guests of this process, and the ranks beside it, use: processor time, memory, threads. Stdlib only.

From proc(5). A guest that has ended uses nothing: its figures are read while it lives.
"""

import contextlib
import ctypes
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

_alive: Final[list[int]] = []  # PIDs, in the order of their start


def began(pid: int) -> None:
    """Count a guest from now on."""
    _alive.append(pid)


def ended(pid: int) -> None:
    """Count a guest no longer; safe to call twice."""
    with contextlib.suppress(ValueError):
        _alive.remove(pid)


def cpu_ns() -> int:
    """Return the processor time of all guests so far, of all their threads."""
    return sum(cpu_ns_of(pid) for pid in _alive)


def resident_bytes() -> int:
    """Return the resident sets of all guests, added up."""
    return sum(_status(pid, "VmRSS:") for pid in _alive)


def peak_resident_bytes() -> int:
    """Return the peaks of the resident sets of all guests, added up: at most as much as they ever held together."""
    return sum(_status(pid, "VmHWM:") for pid in _alive)


def restart_peaks() -> bool:
    """Reset these peaks (proc(5), clear_refs); return whether the kernel allowed it."""
    try:
        for pid in _alive:
            (PROC / str(pid) / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def tasks() -> Iterator[Path]:
    """Yield the folder of each thread of each guest."""
    for pid in _alive:
        with contextlib.suppress(OSError):
            yield from list((PROC / str(pid) / "task").iterdir())


def cpu_ns_of(pid: int) -> int:
    """Return the processor time of another process by its clock, clock_getcpuclockid(3): /proc counts in ticks."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)) == 0:
        with contextlib.suppress(OSError):  # it has just ended
            return time.clock_gettime_ns(clock.value)
    return 0


def _status(pid: int, name: str) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
        return int(text.partition(f"\n{name}")[2].split()[0]) * 1024
    return 0
