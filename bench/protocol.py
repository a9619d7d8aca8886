"""The measurement protocol, written once for every framework. The clock, the rounds and the phases are parameters.

    import → device → build → first step → check → warm-up → timed rounds → check → record

The clock waits: a round is "calls, outputs kept alive, wait for the device", all of it inside the timed stretch, so
that no caller can forget the wait. K, the calls in a round, is the smallest power of two for which a round lasts long
enough for the clock; it is chosen after the warm-up in a cell's first block and frozen for the later ones.
A cell that fails the correctness gate, or whose mode was not taken, gets no time.
"""

import contextlib
import dataclasses
import gc
import itertools
import statistics
import time
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bench import accuracy
from bench.environment import describe, peak_resident_bytes, resident_bytes
from bench.framework import Framework, Skip, Step
from bench.record import Accuracy, Failure, Memory, ModeProof, Phases, Record, Status, Timing
from bench.turn import TAIL_LINES, Settings, Turn
from bench.workload import Trajectory, Workload, reference

WINDOW: Final = 10  # rounds that must agree with as many before them
MEDIAN_AGREES: Final = 0.01  # relative difference of the two windows' medians
SPREAD_AGREES: Final = 0.10  # relative difference of the two windows' median absolute deviations
CLOCKS_PER_ROUND: Final = 200  # a round lasts at least this many times the cost of the clock
MOST_CALLS: Final = 1 << 20

Clock = Callable[[], int]  # nanoseconds, such as time.perf_counter_ns


class Rounds(Protocol):
    """Times `run` `count` times, `before` each time outside the clock; pytest-benchmark's `pedantic` in real life."""

    def __call__(self, run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        """Return the duration of each call of `run` in nanoseconds."""
        ...


class PhaseClock:
    """Adds up the wall time of each phase and announces the phase under way."""

    def __init__(self, clock: Clock, announce: Callable[[str], None], startup_ns: int) -> None:
        self.clock = clock
        self.announce = announce
        self.current = "startup"
        self.spent = {field.name: 0 for field in dataclasses.fields(Phases)}
        self.spent["startup_ns"] = startup_ns
        self.last_end = clock()

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Count the time from the end of the phase before to the end of this one."""
        self.current = phase
        self.announce(phase)
        try:
            yield
        finally:
            end = self.clock()
            self.spent[f"{phase}_ns"] += end - self.last_end
            self.last_end = end

    def phases(self) -> Phases:
        """Return what was counted so far."""
        return Phases(**self.spent)


class InvalidResultError(Exception):
    """The cell ran and gave a result that must not be published."""


def measure(
    turn: Turn,
    load: Callable[[], Framework],
    make: Callable[[], Workload],
    rounds: Rounds,
    *,
    clock: Clock = time.perf_counter_ns,
    announce: Callable[[str], None] = lambda phase: None,
    startup_ns: int = 0,
) -> Record:
    """Run one replicate of `turn.cell` and return its record, whatever happens.

    Args:
        turn: the cell and the settings.
        load: imports the framework and returns its module.
        make: returns the workload.
        rounds: measures the timed rounds.
        clock: what time it is, in nanoseconds.
        announce: told the name of each phase as it begins.
        startup_ns: age of the process when this was called.
    """
    phase = PhaseClock(clock, announce, startup_ns)
    replicate = Replicate(turn, phase, clock)
    status: Status
    try:
        reason = replicate.run(load, make, rounds)
        status, failure = ("skipped" if reason else "ok"), None
    except InvalidResultError as error:
        status, reason, failure = "invalid", str(error), Failure(phase=phase.current)
    except Exception as error:  # noqa: BLE001 - the boundary: a framework may raise anything, and that is a result
        last = traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
        status, reason = "failed", f"{phase.current}: {last}"
        failure = Failure(phase=phase.current, tail=tuple(traceback.format_exc().splitlines()[-TAIL_LINES:]))
    with phase("teardown"):
        record = replicate.record(status, reason, failure)
    return dataclasses.replace(record, phases=phase.phases())


class Replicate:
    """What one replicate has found so far; `record` can be taken at any point, so a failure loses nothing."""

    def __init__(self, turn: Turn, phase: PhaseClock, clock: Clock) -> None:
        self.turn = turn
        self.phase = phase
        self.clock = clock
        self.memory = Memory()
        self.versions: Sequence[str] = ()
        self.timing: Timing | None = None
        self.accuracy: Accuracy | None = None
        self.proof: ModeProof | None = None

    def run(self, load: Callable[[], Framework], make: Callable[[], Workload], rounds: Rounds) -> str:
        """Go through the phases; return why the cell was skipped, empty when it was measured.

        Raises:
            InvalidResultError: the result or the mode is not what was asked for.
        """
        cell, settings, phase = self.turn.cell, self.turn.settings, self.phase
        with phase("import"):
            framework = load()
            self.versions = framework.versions()
            rss = resident_bytes()
        with phase("device"):
            framework.start(cell.device, self.turn.threads)
        with phase("build"):
            workload = make()
            formula = workload.formula(framework.ADAM)
            expected = reference(workload, formula)
            step = framework.build(workload, cell.mode, cell.precision)
            if isinstance(step, Skip):
                return step.reason
            gate = Gate(framework, workload, formula, expected, step, initial=step.parameters())
        with phase("first_step"):
            begin = self.clock()
            framework.wait(step.run(1))
            first_step_ns = self.clock() - begin
        with phase("check"):
            self.accuracy = gate.passed("before timing")
        timer = RoundTimer(framework, step, self.clock)
        with phase("warmup"):
            warmup = warm_up(timer, settings, self.turn.calls_per_round)
        with phase("rounds"):
            before, allocated = step.proof(), framework.memory()
            cpu = time.process_time_ns()
            round_ns, double_ns = timed_rounds(timer, warmup.calls, settings.rounds, rounds)
            cpu = time.process_time_ns() - cpu
        with phase("check"):
            self.proof = _during(before, step.proof())
            self.memory = dataclasses.replace(
                _allocated(allocated, framework.memory()), host_rss_after_import_bytes=rss
            )
            _require_mode(self.turn, self.proof)
            if self.memory.device_allocations_timed:
                raise InvalidResultError(
                    f"{self.memory.device_allocations_timed} device allocations fell into the timed rounds"
                )
            after = gate.passed("after timing")
            worst = max(self.accuracy.max_loss_deviation, after.max_loss_deviation)
            self.accuracy = dataclasses.replace(self.accuracy, max_loss_deviation=worst)
        self.timing = Timing(
            steps_per_call=step.steps_per_call,
            calls_per_round=warmup.calls,
            first_step_ns=first_step_ns,
            compile_cache="cold",
            warmup_rounds=warmup.rounds,
            steady=warmup.steady,
            clock_ns=warmup.clock_ns,
            round_ns=tuple(round_ns),
            double_round_ns=tuple(double_ns),
            process_cpu_ns=cpu,
        )
        return ""

    def record(self, status: Status, reason: str, failure: Failure | None) -> Record:
        """Return the record of what is known now."""
        return Record(
            cell=self.turn.cell,
            block=self.turn.block,
            position=self.turn.position,
            status=status,
            reason=reason,
            timing=self.timing,
            memory=dataclasses.replace(self.memory, host_peak_rss_bytes=peak_resident_bytes()),
            accuracy=self.accuracy,
            proof=self.proof,
            environment=describe(self.turn, self.versions),
            failure=failure,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """The correctness gate of one built step."""

    framework: Framework
    workload: Workload
    formula: str
    expected: Trajectory
    step: Step
    initial: Mapping[str, NDArray[np.float32]]  # parameters as read back after the build

    def passed(self, when: str) -> Accuracy:
        """Train from the initial parameters and return what came out.

        Raises:
            InvalidResultError: it is not what the reference says.
        """
        self.step.reset()
        restored = self.step.parameters()
        outputs = self.step.run(self.workload.steps // self.step.steps_per_call)
        self.framework.wait(outputs)
        losses = self.framework.to_numpy(outputs)
        trained = self.step.parameters()
        found = accuracy.compare(self.workload, self.formula, self.expected, losses, self.initial, trained)
        if any(not np.array_equal(restored[name], value) for name, value in self.workload.parameters.items()):
            raise InvalidResultError(f"{when}: reset does not bring the initial parameters back")
        if wrong := accuracy.fault(found, self.workload):
            raise InvalidResultError(f"{when}: {wrong}")
        return found


class RoundTimer:
    """Runs rounds, and times those outside pytest-benchmark: calibration and warm-up."""

    def __init__(self, framework: Framework, step: Step, clock: Clock) -> None:
        self.framework = framework
        self.step = step
        self.clock = clock

    def round(self, calls: int) -> None:
        """Make `calls` calls, keep their outputs alive, wait for the device."""
        outputs = self.step.run(calls)
        self.framework.wait(outputs)

    def quiet(self) -> None:
        """Bring the process to rest before a round: garbage collected, device idle."""
        gc.collect()
        self.framework.wait(())

    def time(self, calls: int) -> int:
        """Return the duration of one round in nanoseconds."""
        self.quiet()
        begin = self.clock()
        self.round(calls)
        return self.clock() - begin

    def clock_cost(self) -> int:
        """Return the median cost of reading the clock twice with one wait between."""
        costs = []
        for _ in range(21):
            begin = self.clock()
            self.framework.wait(())
            costs.append(self.clock() - begin)
        return int(statistics.median(costs))

    def calibrate(self, floor_ns: int) -> int:
        """Return the smallest power of two of calls whose round lasts at least `floor_ns`, by the median of three.

        A trainer's fit has a cost of its own; what has to last long enough is the difference of 2N and N steps.
        """
        calls = 1
        while calls < MOST_CALLS:
            durations = [self._extent(calls) for _ in range(3)]
            if statistics.median(durations) >= floor_ns:
                break
            calls *= 2
        return calls

    def _extent(self, calls: int) -> int:
        return self.time(calls) if self.step.fit is None else self.time(2 * calls) - self.time(calls)


@dataclasses.dataclass(frozen=True, slots=True)
class WarmUp:
    """How the warm-up ended."""

    calls: int  # calls per round from now on
    rounds: int  # rounds it took
    steady: bool  # False: the cap came before the rounds agreed
    clock_ns: int


def warm_up(timer: RoundTimer, settings: Settings, frozen_calls: int | None) -> WarmUp:
    """Run rounds until no compilation was seen for a window of them and two windows agree, within floor and cap."""
    clock_ns = timer.clock_cost()
    floor_ns = max(settings.round_floor_ns, CLOCKS_PER_ROUND * clock_ns)
    begin = timer.clock()
    with _collected_by_hand():
        calls = frozen_calls or timer.calibrate(floor_ns)
        durations: list[int] = []
        compilations: list[int | None] = []
        steady = False
        while not steady:
            durations.append(timer.time(calls))
            compilations.append(timer.step.proof().compilations)
            spent = timer.clock() - begin
            if spent >= settings.warmup_floor_ns:
                steady = settled(durations, compilations)
            if spent >= settings.warmup_cap_ns:
                break
        if frozen_calls is None:
            calls = timer.calibrate(floor_ns)
    return WarmUp(calls=calls, rounds=len(durations), steady=steady, clock_ns=clock_ns)


def settled(durations: Sequence[int], compilations: Sequence[int | None]) -> bool:
    """Return whether the last window of rounds saw no compilation and agrees with the window before it."""
    if len(durations) < 2 * WINDOW:
        return False
    if len(set(compilations[-WINDOW - 1 :])) > 1:
        return False
    before, last = durations[-2 * WINDOW : -WINDOW], durations[-WINDOW:]
    return _agree(statistics.median(before), statistics.median(last), MEDIAN_AGREES) and _agree(
        _spread(before), _spread(last), SPREAD_AGREES
    )


def _agree(a: float, b: float, within: float) -> bool:
    return abs(a - b) <= within * max(a, b)


def _spread(durations: Sequence[int]) -> float:
    middle = statistics.median(durations)
    return statistics.median(abs(duration - middle) for duration in durations)


def timed_rounds(timer: RoundTimer, calls: int, count: int, rounds: Rounds) -> tuple[Sequence[int], Sequence[int]]:
    """Return the durations of `count` rounds of `calls` calls; for a trainer also those of rounds twice as long.

    The two lengths alternate, so that a drift meets both alike.
    """
    lengths = [calls] if timer.step.fit is None else [calls, 2 * calls]
    upcoming = itertools.cycle(lengths)
    with _collected_by_hand():
        durations = rounds(lambda: timer.round(next(upcoming)), timer.quiet, count * len(lengths))
    if len(lengths) == 1:
        return durations, ()
    return durations[0::2], durations[1::2]


@contextlib.contextmanager
def _collected_by_hand() -> Iterator[None]:
    """Turn the garbage collector off; what is alive now is frozen, so that collecting by hand takes microseconds."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _during(before: ModeProof, after: ModeProof) -> ModeProof:
    """Return the proof after the timed rounds with the compilations that fell into them."""
    if before.compilations is None or after.compilations is None:
        return after
    return dataclasses.replace(after, compilations_timed=after.compilations - before.compilations)


def _allocated(before: Memory, after: Memory) -> Memory:
    """Return the memory after the timed rounds with the device allocations before them and during them told apart."""
    counts = before.device_allocations_warmup, after.device_allocations_warmup
    if None in counts:
        return after
    warmup, total = typing.cast(tuple[int, int], counts)
    return dataclasses.replace(after, device_allocations_warmup=warmup, device_allocations_timed=total - warmup)


def _require_mode(turn: Turn, proof: ModeProof) -> None:
    cell = turn.cell
    asked_and_found: tuple[tuple[str, Any, Any], ...] = (
        ("mode", cell.mode, proof.mode),
        ("device", cell.device, proof.device.partition(":")[0]),
        ("precision", cell.precision, proof.precision),
        ("threads", turn.threads, turn.threads if proof.threads is None else proof.threads),
    )
    for name, asked, found in asked_and_found:
        if asked != found:
            raise InvalidResultError(f"{name}: {asked} was asked for, the framework ran {found} ({proof.evidence})")
    if proof.compilations_timed:
        raise InvalidResultError(f"{proof.compilations_timed} compilations fell into the timed rounds")
