"""Which samestep made a folder or a container: a name that tells others whether that process still runs.

A number alone tells it only to processes that count as its maker does. In a PID namespace of its own (a container, a
host of a simulated cluster) another process, or none, has that number, while temporary folders and the engine are
shared. So the name has the namespace, the number, and when that process began.
"""

import os
import re
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
NAMED: Final = re.compile(r"(\d+)-(\d+)-(\d+)(?!\d)")
NUMBERED: Final = re.compile(r"(\d+)(?!\d)")  # as samestep named folders before
NAMESPACE: Final = re.compile(r"pid:\[(\d+)\]")
INITIAL: Final = "4026531836"  # the host's own PID namespace: PROC_PID_INIT_INO of the kernel's linux/proc_ns.h
BEGAN: Final = 19  # field of /proc/PID/stat, counted after the name: clock ticks since the host started, proc(5)


def name(proc: Path = PROC) -> str:
    """Return the name of this process as a maker, such as "4026531836-4711-8015511"."""
    pid = os.getpid()
    return f"{namespace(proc / 'self')}-{pid}-{_began(proc / str(pid))}"


def is_alive(made: str, proc: Path = PROC) -> bool | None:
    """Return whether the maker in whose name `made` begins still runs; None: it begins with no maker's name.

    Of a namespace into which this process cannot look, the maker counts as running.
    """
    if named := NAMED.match(made):
        space, pid, began = named.groups()
        if space == namespace(proc / "self"):
            return _began(proc / pid) == began
        return namespace(proc / "self") != INITIAL or _has_process(space, proc)
    if numbered := NUMBERED.match(made):
        return (proc / numbered.group(1)).exists()
    return None


def namespace(process: Path) -> str:
    """Return the number of the PID namespace of a process; "0": it cannot be read."""
    try:
        found = NAMESPACE.fullmatch(str((process / "ns" / "pid").readlink()))
    except OSError:
        return "0"
    return found.group(1) if found else "0"


def _began(process: Path) -> str:
    """Return when a process began; empty: there is none."""
    try:
        text = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[BEGAN]


def _has_process(space: str, proc: Path) -> bool:
    return any(namespace(process) == space for process in proc.iterdir() if process.name.isdigit())
