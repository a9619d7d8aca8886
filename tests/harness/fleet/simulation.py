"""A thousand hosts and ten thousand cells, with losses and stragglers: what plan, submit, poll and collect cost.

    python -m tests.harness.fleet.simulation [HOSTS CELLS]

Prints a table, and ends with 1 where a target is missed. The work of the hosts themselves is not counted: on a cluster
it is done elsewhere.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.fleet.collect import collect
from harness.fleet.folder import FleetFolder
from harness.fleet.request import HostType
from harness.fleet.simulated import Host, Simulated, Start, Weather
from harness.fleet.submit import hand_over
from harness.fleet.watch import watch
from tests.harness.fleet.hosts import Harness, fleet_of, planned

MOST_S = 60.0
MOST_MIB = 1024
MODES = 10
BLOCKS = 2

T = TypeVar("T")


class Counted:
    """The hosts' work, and how long it took."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self.seconds = 0.0

    def begin(self, start: Start) -> None:
        self._timed(lambda: self._harness.begin(start))

    def finish(self, start: Start) -> int:
        return self._timed(lambda: self._harness.finish(start))

    def _timed(self, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds += time.perf_counter() - begin


def main(hosts: int = 1000, cells: int = 10_000) -> int:
    """Simulate a run; return the exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        folder = FleetFolder(base / "fleet")
        begin = time.perf_counter()
        whole = planned(cells // MODES, MODES, blocks=BLOCKS)
        kind = HostType(name="h200")
        folder.create(fleet_of(whole, kind, blocks=BLOCKS), "")
        plan_s = time.perf_counter() - begin

        work = Counted(Harness(folder, whole, scratch=base / "scratch"))
        names = [Host(name=f"node{number:04}", host_type="h200") for number in range(hosts)]
        cluster = Simulated(names, work, Weather(lost=0.02, stragglers=0.02))
        begin = time.perf_counter()
        hand_over(folder, cluster, [task.number for task in folder.fleet.tasks], clock=cluster.clock)
        submit_s = time.perf_counter() - begin - work.seconds
        before, begin = work.seconds, time.perf_counter()
        code = watch(folder, cluster, lambda line: None, cluster.sleep, cluster.clock)
        poll_s = time.perf_counter() - begin - (work.seconds - before)
        begin, cpu = time.perf_counter(), time.process_time()
        collected = collect(folder, base / "results", lambda line: None, report=False)
        collect_s, collect_cpu_s = time.perf_counter() - begin, time.process_time() - cpu
        records = sum(len(run.records_path.read_bytes().splitlines()) for run in collected.runs)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    counted = plan_s + submit_s + collect_s
    print(f"{hosts} hosts, {cells} cells, {len(folder.fleet.tasks)} tasks, {records} records; exit code {code}")
    print(f"plan {plan_s:.1f} s, submit {submit_s:.1f} s, collect {collect_s:.1f} s: {counted:.1f} s of {MOST_S:.0f}")
    print(f"of collect, on a processor: {collect_cpu_s:.1f} s")
    print(f"{cluster.polls} questions in {cluster.clock():.0f} s of virtual time: {poll_s:.1f} s")
    print(f"peak memory {peak} MiB of {MOST_MIB}")
    return 0 if code == 0 and not collected.missing and counted <= MOST_S and peak <= MOST_MIB else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
