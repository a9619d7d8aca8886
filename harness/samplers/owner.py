"""Whose are the processes that NVML lists? It gives the host's PIDs and knows nothing of containers or replicates.

own      in the tree of the replicate's first process, or in its control group where that is not the harness's
other    alive, and not own
neither  gone before it could be asked: the driver lists a process for a moment longer than it lives
"""

import os
from collections.abc import Iterable

from harness.samplers import procfs
from harness.samplers.base import Watched


class Owner:
    """Tells a replicate's processes from others."""

    def __init__(self, watched: Watched, proc: str = procfs.PROC) -> None:
        self._watched = watched
        self._proc = proc
        self._known: set[int] = set()  # own ones, seen while they lived

    def own(self, pids: Iterable[int]) -> list[int]:
        """Return those that belong to the replicate; none as long as its process is not known."""
        first = self._watched.pid
        if first is not None:
            self._known |= set(procfs.tree(first, self._proc))
            group, ours = procfs.groups(first, self._proc), procfs.groups(os.getpid(), self._proc)
            if group and ours and group != ours:
                self._known |= {pid for pid in pids if procfs.groups(pid, self._proc) == group}
        return [pid for pid in pids if pid in self._known]

    def others(self, pids: Iterable[int]) -> list[int]:
        """Return those that belong to somebody else and are alive."""
        own = set(self.own(pids))
        return [pid for pid in pids if pid not in own and procfs.groups(pid, self._proc)]
