"""The host's view of a replicate: memory and processor time of its process tree, its control group, its faults.

    every look          resident set and its high-water mark
    one look of ten     who belongs to the tree, processor time, major faults, throttling
    edge of two phases  all of these, unique and proportional set size, involuntary context switches

In the timed rounds only the first is read.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.records.observation import Observation
from harness.host import pids
from harness.samplers import procfs
from harness.samplers.base import Costs, Watched
from harness.store.samples import Sample

MOUNTS: Final = Path("/sys/fs/cgroup")


class ProcessProbe:
    """Sums over a process and its descendants; no figures before the process is known or after it has ended."""

    def __init__(self, watched: Watched, costs: Costs, proc: str = procfs.PROC, mounts: Path = MOUNTS) -> None:
        self.watched = watched
        self.tree: list[int] = []
        self._costs = costs
        self._proc = proc
        self._mounts = mounts
        self._most: dict[str, int] = {}  # the largest value so far, by field of Observation
        self._cpu_groups: list[Path] | None = None  # the process's and their parents; None: not looked for yet
        self._own_group: Path | None = None  # of its memory; None: it shares the harness's, whose peak is not its own
        self._throttled_before: dict[Path, int] = {}

    def begin(self, now_ns: int) -> Iterable[Sample]:
        """Note how busy the host is."""
        self._note(load_percent=round(100 * os.getloadavg()[0]))
        return ()

    def look(self, now_ns: int) -> Iterable[Sample]:
        """Return what the process tree holds and has used."""
        pid, subject = self.watched.pid, self.watched.subject
        if pid is None:
            return []
        slow = self.watched.edge or self.watched.is_slow_look or not self.tree
        figures = list(self._resident(pid))
        if figures and slow:
            self.tree = self._costs.of("process tree", lambda: procfs.tree(pid, self._proc))
            figures += self._used(pid)
        if figures and self.watched.edge:
            figures += self._edge(pid)
        return [(now_ns, "process", subject, metric, value) for metric, value in figures]

    def end(self, now_ns: int) -> Iterable[Sample]:
        """Count once more how often its control groups were stopped: while it was parked, nothing was read."""
        self._throttled()
        return ()

    def fields(self) -> Mapping[str, Any]:
        """Return the fields of an Observation that are known."""
        return self._most

    def missing(self) -> Iterator[str]:
        """Yield why the others are not known."""
        if self.watched.pid is None:
            yield "host_*: the harness sees no processes of this launcher"
            return
        if not self.watched.phase:
            yield "host_peak_uss_bytes, host_peak_pss_bytes: the phase of the replicate is not seen from here"
        elif "host_peak_uss_bytes" not in self._most:
            yield "host_peak_uss_bytes, host_peak_pss_bytes: no new phase was seen, or this user may not read them"
        if "cgroup_peak_bytes" not in self._most:
            yield "cgroup_peak_bytes: the replicate has no control group of its own"
        if "throttled_periods" not in self._most:
            yield "throttled_periods: its control groups count none"

    def _resident(self, pid: int) -> Iterator[tuple[str, float]]:
        first = self._costs.of("process status", lambda: procfs.resident(pid, self._proc))
        if first is None:
            return
        others = (procfs.resident(child, self._proc) for child in self.tree if child != pid)
        held = [first, *(size for size in others if size)]
        rss, peak = sum(size.rss_bytes for size in held), max(size.peak_bytes for size in held)
        self._note(host_peak_rss_bytes=peak, host_tree_peak_rss_bytes=rss)
        yield "rss_bytes", float(rss)
        yield "peak_rss_bytes", float(peak)

    def _used(self, pid: int) -> Iterator[tuple[str, float]]:
        if used := self._costs.of("process stat", lambda: procfs.used(pid, self._proc)):
            self._note(major_faults=used.major_faults)
            yield "cpu_seconds", used.cpu_ns / 1e9
        yield "processes", float(len(self.tree))
        self._costs.of("control group", lambda: self._groups(pid))

    def _groups(self, pid: int) -> None:
        if self._cpu_groups is None:
            self._find_groups(pid)
        self._throttled()
        if self._own_group and (peak := procfs.peak_bytes(self._own_group)) is not None:
            self._note(cgroup_peak_bytes=peak)

    def _throttled(self) -> None:
        for group in self._cpu_groups or ():
            if (now := procfs.throttled_periods(group)) is not None:
                self._note(throttled_periods=now - self._throttled_before.setdefault(group, now))

    def _find_groups(self, pid: int) -> None:
        membership = procfs.groups(pid, self._proc)
        self._cpu_groups = procfs.folders(membership, "cpu", self._mounts)
        if not membership or membership == procfs.groups(os.getpid(), self._proc):
            return
        if pids.inner(pid, self._proc) in (1, None):  # else a worker's: its container has run others before
            self._own_group = next(iter(procfs.folders(membership, "memory", self._mounts)), None)
            self._throttled_before = dict.fromkeys(self._cpu_groups[:1], 0)

    def _edge(self, pid: int) -> Iterator[tuple[str, float]]:
        sizes = [self._costs.of("smaps_rollup", partial(procfs.rollup, member, self._proc)) for member in self.tree]
        known = [size for size in sizes if size]
        if known:
            unique, proportional = sum(size[0] for size in known), sum(size[1] for size in known)
            self._note(host_peak_uss_bytes=unique, host_peak_pss_bytes=proportional)
            yield "uss_bytes", float(unique)
            yield "pss_bytes", float(proportional)
        switches = self._costs.of(
            "context switches", lambda: sum(procfs.involuntary_switches(member, self._proc) for member in self.tree)
        )
        self._note(involuntary_switches=switches)

    def _note(self, **values: int) -> None:
        assert values.keys() <= set(Observation.__dataclass_fields__)
        for name, value in values.items():
            self._most[name] = max(value, self._most.get(name, 0))
