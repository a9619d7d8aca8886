"""The drift probe: a short turn before each block and after the last one. Is the machine still as fast?

It runs a few of the probes of `bench.tracks.limits`, one round of each in turn. A shared machine may run at half speed
for a second: rounds of one probe in one stretch would say nothing about the others. The figure of a probe is the median
of its rounds, which are spread over the whole turn.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bench.interface import Framework, Probes
from bench.protocol.rounds import Clock
from bench.records.record import Limit, LimitKind, Record
from bench.tracks import limits
from bench.turns.turn import Turn

PROBES: Final[Mapping[str, Sequence[tuple[LimitKind, str, int]]]] = {  # kind, precision, size
    "cpu": (("launch", "", 1), ("triad", "", 64 << 10), ("triad", "", 32 << 20), ("matmul", "float32", 512)),
    "cuda": (("launch", "", 1), ("triad", "", 256 << 20), ("matmul", "float32", 4096)),
}
SPENT_NS: Final = 1_200_000_000  # on all rounds together


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Measure the few probes by the calls of the framework of `turn`; return the record, in any case."""
    return limits.take(turn, announce, startup_ns, measure)


def measure(framework: Framework, offered: Probes, device: str, clock: Clock = time.perf_counter_ns) -> Iterator[Limit]:
    """Yield the probes of `device`, after alternating rounds until the time is spent."""
    chosen = [
        probe
        for probe in limits.limit_probes(offered, device)
        if (probe.kind, probe.precision, probe.size) in PROBES[device]
    ]
    tasks = [(probe, task) for probe in chosen if (task := probe.make()) is not None]
    calls = [limits.calls_of(framework, task, clock) for _, task in tasks]
    rounds: list[list[int]] = [[] for _ in tasks]
    spent = 0
    while spent < SPENT_NS:
        for (_, task), count, durations in zip(tasks, calls, rounds, strict=True):
            durations.append(limits.time_of(framework, task, count, clock))
            spent += durations[-1]
    for (probe, task), count, durations in zip(tasks, calls, rounds, strict=True):
        work = count * task.work
        yield Limit(kind=probe.kind, precision=probe.precision, size=probe.size, work=work, round_ns=tuple(durations))
