"""The turn that measures the most a library reaches on the machine: the limits that cells are compared with.

Each limit is measured in many short rounds, of which the best counts: a disturbance makes a round longer, so the
shortest is nearest to the limit of the machine. The record keeps all rounds.

    matmul       n × n products, 2n³ operations, in each precision that the library and the device have
    convolution  3 × 3 over 32 × 32 images: its kernels differ from those of products, and may be twice as fast
    triad        a += s·b over working sets from 64 KiB up by factors of 8 (STREAM's triad, McCalpin 1995, in place)
    launch       the smallest operation on one element: the cost of a call without its computation
    replay       the same, recorded as a CUDA graph

STREAM writes into a third array. The processor reads its cache lines before it writes them, and STREAM does not count
that: a cell that only reads would exceed such a limit by a third. In place, every byte that moves is counted.
"""

import dataclasses
import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.catalogue import PROBED_WITHOUT_OWN, framework_offer
from bench.interface import Framework, Probes, Task
from bench.protocol.phases import PhaseClock, ending
from bench.protocol.rounds import Clock
from bench.records.record import Limit, LimitKind, Memory, Record
from bench.reference.precision import PRECISIONS
from bench.turns.environment import describe, peak_resident_bytes
from bench.turns.prepare import framework_of
from bench.turns.turn import Turn

PRODUCTS: Final = {"cpu": (512, 1024), "cuda": (4096, 8192)}  # n
IMAGES: Final = {"cpu": (4, 64), "cuda": (64, 256)}  # batch, channels
WORKING_SETS: Final = {
    "cpu": tuple((64 << 10) * 8**k for k in range(5)),  # 64 KiB to 256 MiB
    "cuda": tuple((64 << 10) * 8**k for k in range(6)),  # to 2 GiB
}
ROUND_NS: Final = 1_000_000  # least duration of one round
PROBE_NS: Final = 150_000_000  # for the rounds of one probe
FEWEST_ROUNDS: Final = 5  # however long they are
MOST_ROUNDS: Final = 100


Measure = Callable[[Framework, Probes, str], Iterable[Limit]]  # (framework, its calls, device) -> limits


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitProbe:
    """One limit to be measured; `make` returns None where it does not exist."""

    kind: LimitKind
    precision: str
    size: int
    make: Callable[[], Task | None]


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Measure the limits of the library that the framework of `turn` computes with; return the record, in any case."""
    return take(turn, announce, startup_ns, measure)


def take(turn: Turn, announce: Callable[[str], None], startup_ns: int, measure: Measure) -> Record:
    """Run `measure` on the library that the framework of `turn` computes with; return the record, in any case.

    For a framework without probes it is NumPy, which is in every environment.
    """
    name = turn.cell.framework if framework_offer(turn.cell.framework).limits else PROBED_WITHOUT_OWN
    phase = PhaseClock(time.perf_counter_ns, announce, startup_ns)
    measured: list[Limit] = []
    versions: list[str] = []

    def go() -> None:
        with phase("import"):
            framework = framework_of(dataclasses.replace(turn.cell, framework=name))
            versions.extend(framework.versions())
        with phase("device"):
            framework.start(turn.cell.device, turn.threads)
        with phase("rounds"):
            offered: Probes = importlib.import_module(f"bench.frameworks.{name}").probes()
            measured.extend(measure(framework, offered, turn.cell.device))

    status, reason, failure = ending(phase, go)
    with phase("teardown"):
        record = Record(
            cell=turn.cell,
            block=turn.block,
            position=turn.position,
            status=status,
            reason=reason,
            memory=Memory(host_peak_rss_bytes=peak_resident_bytes()),
            environment=describe(turn, versions),
            limits=tuple(measured),
            failure=failure,
        )
    return dataclasses.replace(record, phases=phase.phases())


def measure(framework: Framework, offered: Probes, device: str, clock: Clock = time.perf_counter_ns) -> Iterator[Limit]:
    """Yield the limits of `device` ("cpu" or "cuda") by the calls of `offered`, one after the other."""
    for probe in limit_probes(offered, device):
        task = probe.make()
        if task is None:
            continue
        calls, rounds = _rounds(framework, task, clock)
        yield Limit(
            kind=probe.kind, precision=probe.precision, size=probe.size, work=calls * task.work, round_ns=rounds
        )


def limit_probes(offered: Probes, device: str) -> Iterator[LimitProbe]:
    """Yield the probes for `device`, the small before the large."""
    yield LimitProbe(kind="launch", precision="", size=1, make=lambda: offered.launch)
    yield LimitProbe(kind="replay", precision="", size=1, make=lambda: offered.replay)
    for bytes_ in WORKING_SETS[device]:
        yield LimitProbe(kind="triad", precision="", size=bytes_, make=partial(offered.triad, bytes_))
    for precision in (name for name, one in PRECISIONS.items() if not one.changes_model):
        for n in PRODUCTS[device]:
            yield LimitProbe(kind="matmul", precision=precision, size=n, make=partial(offered.matmul, n, precision))
        batch, channels = IMAGES[device]
        convolution = partial(offered.convolution, batch, channels, precision)
        yield LimitProbe(kind="convolution", precision=precision, size=channels, make=convolution)


def _rounds(framework: Framework, task: Task, clock: Clock) -> tuple[int, tuple[int, ...]]:
    """Return the calls in a round and the rounds' durations."""
    calls = calls_of(framework, task, clock)
    rounds: list[int] = []
    while len(rounds) < FEWEST_ROUNDS or (sum(rounds) < PROBE_NS and len(rounds) < MOST_ROUNDS):
        rounds.append(time_of(framework, task, calls, clock))
    return calls, tuple(rounds)


def calls_of(framework: Framework, task: Task, clock: Clock) -> int:
    """Return the calls in a round: the smallest power of two that lasts long enough."""
    calls = 1
    time_of(framework, task, calls, clock)  # compiles
    while time_of(framework, task, calls, clock) < ROUND_NS:
        calls *= 2
    return calls


def time_of(framework: Framework, task: Task, calls: int, clock: Clock) -> int:
    """Return the duration of one round of `calls` calls, waited for."""
    begin = clock()
    output = task.call()
    for _ in range(calls - 1):
        output = task.call()
    framework.wait((output,))
    return clock() - begin
