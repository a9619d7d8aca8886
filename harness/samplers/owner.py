"""Which of the processes that NVML lists belong to the replicate?

own      in the tree of the replicate's first process, or in its control group where that is not the harness's
other    alive, not own, and not of a member of the same group, which is parked (`bench.turns.parking`)
neither  ended before it could be checked: the driver lists a process for a moment longer than it lives

A PID says something where the harness sees the host's processes. In another PID namespace it does once an own process
was listed: then the driver gives the PIDs of this namespace (`harness.host.pids`).
"""

import os
from collections.abc import Collection, Iterable

from harness.host import pids as namespaces
from harness.samplers import procfs
from harness.samplers.base import Watched


class Owner:
    """Separates a replicate's processes from others."""

    def __init__(self, watched: Watched, proc: str = procfs.PROC, group: Collection[Watched] = ()) -> None:
        """Separate the processes of `watched`; `group`: all replicates that have begun and not ended."""
        self._watched = watched
        self._group = group
        self._proc = proc
        self._known: set[int] = set()  # own ones that were seen alive
        self.sees_host = namespaces.sees_host(proc)
        self.is_listed = False  # an own process was among those that NVML lists

    @property
    def company(self) -> list[Watched]:
        """The other members of its group."""
        return [member for member in self._group if member is not self._watched]

    def own(self, pids: Iterable[int]) -> list[int]:
        """Return those that belong to the replicate; none while its process is not known."""
        first, pids = self._watched.pid, list(pids)
        if first is not None:
            self._known |= set(procfs.tree(first, self._proc))
            group, ours = procfs.groups(first, self._proc), procfs.groups(os.getpid(), self._proc)
            if group and ours and group != ours:
                self._known |= {pid for pid in pids if procfs.groups(pid, self._proc) == group}
        company = self._of_company()
        own = [pid for pid in pids if pid in self._known and pid not in company]
        self.is_listed = self.is_listed or bool(own)
        return own

    def others(self, pids: Iterable[int], *, before: bool = False) -> list[int]:
        """Return those that do not belong to the replicate and are alive; none where that cannot be known.

        `before`: the replicate has no process yet, so each of them is another's.
        """
        pids = list(pids)
        own = set(self.own(pids)) | self._of_company()
        if not (self.sees_host or self.is_listed):
            return []  # their numbers are perhaps those of another namespace
        if any(member.pid is None for member in self.company) or (self._watched.pid is None and not before):
            return []
        return [pid for pid in pids if pid not in own and procfs.groups(pid, self._proc)]

    def _of_company(self) -> set[int]:
        firsts = [member.pid for member in self.company if member.pid is not None]
        return {pid for first in firsts for pid in procfs.tree(first, self._proc)}
