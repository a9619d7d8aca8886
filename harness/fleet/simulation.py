"""`samestep fleet simulate`: what a fleet costs whoever runs it, on a cluster in virtual time.

A thousand hosts and ten thousand cells with losses and stragglers; planned, submitted, watched and collected by the
code that a cluster gets. The work of the hosts themselves is not counted: on a cluster it is done elsewhere.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from harness.errors import OK, USAGE
from harness.fleet.collect import collect
from harness.fleet.folder import FleetFolder
from harness.fleet.rehearsed import MODES, Harness, fleet_of, planned
from harness.fleet.request import HostType
from harness.fleet.simulated import Host, Simulated, Start, Weather
from harness.fleet.submit import hand_over
from harness.fleet.watch import watch
from harness.report.words import count

MOST_S: Final = 60.0
MOST_BYTES: Final = 1 << 30
BLOCKS: Final = 2
LOST: Final = 0.02  # share of the tasks in whose middle the host is lost
STRAGGLERS: Final = 0.02  # share of the tasks that take ten times as long

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a simulated run cost."""

    hosts: int
    cells: int
    tasks: int
    records: int
    is_whole: bool  # every task has a result, which was collected
    plan_s: float
    submit_s: float
    watch_s: float
    collect_s: float
    collect_cpu_s: float  # on a processor
    questions: int  # to the scheduler
    virtual_s: float  # that the run took on the cluster
    peak_bytes: int  # of this process

    @property
    def counted_s(self) -> float:
        """Seconds that have a target."""
        return self.plan_s + self.submit_s + self.collect_s

    @property
    def within(self) -> bool:
        """Whether the run is whole, and within the targets."""
        return self.is_whole and self.counted_s <= MOST_S and self.peak_bytes <= MOST_BYTES

    def __str__(self) -> str:
        """Return a table for people."""
        whole = "all have a result" if self.is_whole else "some have no result"
        return "\n".join(
            (
                f"{count(self.hosts, 'host')}, {count(self.cells, 'cell')}, {count(self.tasks, 'task')}, of which"
                f" {whole}, {count(self.records, 'record')}",
                f"plan      {self.plan_s:6.1f} s",
                f"submit    {self.submit_s:6.1f} s",
                f"collect   {self.collect_s:6.1f} s, of which {self.collect_cpu_s:.1f} s on a processor",
                f"together  {self.counted_s:6.1f} s, target {MOST_S:.0f} s",
                f"watch     {self.watch_s:6.1f} s for {count(self.questions, 'question')} to the scheduler, in"
                f" {self.virtual_s:.0f} s of virtual time",
                f"memory    {self.peak_bytes >> 20:6} MiB at most, target {MOST_BYTES >> 20} MiB",
                "within the targets" if self.within else "NOT within the targets",
            )
        )


class _Timed:
    """The hosts' work, and how long it took."""

    def __init__(self, work: Harness) -> None:
        self._work = work
        self.seconds = 0.0

    def begin(self, start: Start) -> None:
        """Begin on a host."""
        self._timed(lambda: self._work.begin(start))

    def finish(self, start: Start) -> int:
        """End there; return the exit code."""
        return self._timed(lambda: self._work.finish(start))

    def _timed(self, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds += time.perf_counter() - begin


def run(hosts: int, cells: int) -> int:
    """Simulate a run and print its figures; return the exit code: 1 when a target is missed."""
    figures = simulated(hosts, cells)
    print(figures)
    return OK if figures.within else USAGE


def simulated(hosts: int, cells: int) -> Figures:
    """Return what a run of `cells` cells on `hosts` hosts of one type costs; each workload has ten cells."""
    with tempfile.TemporaryDirectory(prefix="samestep-simulated-") as temporary:
        return _simulated(Path(temporary), hosts, cells // len(MODES))


def _simulated(base: Path, hosts: int, workloads: int) -> Figures:
    folder = FleetFolder(base / "fleet")
    begin = time.perf_counter()
    whole = planned(workloads, len(MODES), blocks=BLOCKS)
    folder.create(fleet_of(whole, HostType(name="h200"), blocks=BLOCKS), "")
    plan_s = time.perf_counter() - begin

    work = _Timed(Harness(folder, whole, scratch=base / "scratch"))
    names = [Host(name=f"node{number:04}", host_type="h200") for number in range(hosts)]
    cluster = Simulated(names, work, Weather(lost=LOST, stragglers=STRAGGLERS))
    begin = time.perf_counter()
    hand_over(folder, cluster, [task.number for task in folder.fleet.tasks], clock=cluster.clock)
    submit_s = time.perf_counter() - begin - work.seconds

    before, begin = work.seconds, time.perf_counter()
    code = watch(folder, cluster, lambda line: None, cluster.sleep, cluster.clock)
    watch_s = time.perf_counter() - begin - (work.seconds - before)

    begin, cpu = time.perf_counter(), time.process_time()
    collected = collect(folder, base / "results", lambda line: None, report=False)
    collect_s, collect_cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    return Figures(
        hosts=hosts,
        cells=workloads * len(MODES),
        tasks=len(folder.fleet.tasks),
        records=sum(each.records_path.read_bytes().count(b"\n") for each in collected.runs),
        is_whole=code == OK and not collected.missing,
        plan_s=plan_s,
        submit_s=submit_s,
        watch_s=watch_s,
        collect_s=collect_s,
        collect_cpu_s=collect_cpu_s,
        questions=cluster.polls,
        virtual_s=cluster.clock(),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    )
