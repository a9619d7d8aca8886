"""Which of the processes that NVML lists belong to the replicate? NVML knows the host's PIDs, but no containers.

own      in the tree of the replicate's first process, or in its control group where that is not the harness's
other    alive, not own, and not of a member of the same group, which is parked (`bench.turns.parking`)
neither  ended before it could be checked: the driver lists a process for a moment longer than it lives
"""

import os
from collections.abc import Collection, Iterable

from harness.samplers import procfs
from harness.samplers.base import Watched


class Owner:
    """Separates a replicate's processes from others."""

    def __init__(self, watched: Watched, proc: str = procfs.PROC, group: Collection[int] = ()) -> None:
        """Separate the processes of `watched`; `group`: first processes of the members of its group."""
        self._watched = watched
        self._group = group
        self._proc = proc
        self._known: set[int] = set()  # own ones that were seen alive

    def own(self, pids: Iterable[int]) -> list[int]:
        """Return those that belong to the replicate; none while its process is not known."""
        first = self._watched.pid
        if first is not None:
            self._known |= set(procfs.tree(first, self._proc))
            group, ours = procfs.groups(first, self._proc), procfs.groups(os.getpid(), self._proc)
            if group and ours and group != ours:
                self._known |= {pid for pid in pids if procfs.groups(pid, self._proc) == group}
        return [pid for pid in pids if pid in self._known]

    def others(self, pids: Iterable[int]) -> list[int]:
        """Return those that do not belong to the replicate and are alive."""
        own = set(self.own(pids)) | {pid for first in self._group for pid in procfs.tree(first, self._proc)}
        return [pid for pid in pids if pid not in own and procfs.groups(pid, self._proc)]
