"""On which processors a replicate was really seen, read back inside it between the timed rounds.

Before each round the thread that runs the steps asks where it is: one call of the C library, some 0.3 µs. Of rounds
that are made at once it asks before the first of them, and as each is handed out. Before and after all rounds, and in a
process that takes turns after each time slice, the other threads are asked as well: field 39 of /proc/self/task/*/stat
(proc(5)), the processor that each ran on last.
"""

import contextlib
import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.guests import usage

TASKS: Final = Path("/proc/self/task")
PROCESSOR: Final = 36  # field 39 of proc(5), counted after the name, which is field 2 and may hold spaces


class Placement:
    """The processors of the timed rounds of one replicate."""

    def __init__(self, current: Callable[[], int] | None = None, tasks: Path = TASKS) -> None:
        """Take what returns the calling thread's processor, negative where unknown; None: the C library's.

        `tasks`: the folder of the process's threads.
        """
        self._current = current or _of_library()
        self._tasks = tasks
        self._seen: set[int] = set()

    def look(self) -> None:
        """Note where the calling thread runs."""
        self._seen.add(self._current())

    def look_at_all(self) -> None:
        """Note where each thread of the process, and of its guests, ran last."""
        self.look()
        with contextlib.suppress(OSError):
            for thread in (*self._tasks.iterdir(), *usage.tasks()):
                with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
                    stat = (thread / "stat").read_text(encoding="utf-8", errors="replace")
                    self._seen.add(int(stat.rpartition(")")[2].split()[PROCESSOR]))

    @property
    def processors(self) -> tuple[int, ...]:
        """Those that were seen so far, sorted."""
        return tuple(sorted(cpu for cpu in self._seen if cpu >= 0))


def _of_library() -> Callable[[], int]:
    """Return sched_getcpu(3); it keeps Python's lock, so that no other thread runs meanwhile."""
    try:
        function: Callable[[], int] = ctypes.PyDLL(None).sched_getcpu
    except (OSError, AttributeError):
        return lambda: -1
    return function
