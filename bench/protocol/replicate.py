"""The measurement protocol, written once for every framework. The clock, the rounds and the phases are parameters.

    import → device → build → first step → check → warm-up → timed rounds → check → record

The first step is the first call and, in a replicate that is timed, those after it that still compile or capture.

A cell that fails the correctness gate, or did not run in its mode, gets no time. A repeat is the same up to the first
check, in a further process.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.catalogue import device_lacking, framework_offer, policy_lacking, strategy_lacking
from bench.interface import Framework, Skip
from bench.parallel.lead import LedStep
from bench.protocol import caches, formula
from bench.protocol.allocations import with_allocations
from bench.protocol.gate import Gate, known_references
from bench.protocol.parallel import parallel_of, processors_of
from bench.protocol.phases import PhaseClock, ending
from bench.protocol.required import during, require_mode, require_no_allocations, require_threads
from bench.protocol.rounds import Clock, Rounds, RoundTimer, TimedRounds, WarmUp, timed_rounds, warm_up
from bench.protocol.settling import settling
from bench.protocol.slices import SLICED_ROUND_NS, sliced_rounds
from bench.records.parallel import Parallel
from bench.records.record import (
    Accuracy,
    Allocator,
    Cell,
    Environment,
    Export,
    Failure,
    Memory,
    ModeProof,
    Moment,
    Record,
    Repeat,
    RepeatKind,
    Status,
    Timing,
)
from bench.reference import accuracy
from bench.reference.precision import PRECISIONS
from bench.reference.workload import Workload
from bench.turns.environment import cpu_ns, describe, peak_resident_bytes, resident_bytes
from bench.turns.parking import Keeper
from bench.turns.turn import Turn

LATENCY_ROUNDS: Final = 20  # times as many rounds where each is one short call: a p99 needs hundreds

Load = Callable[[], Framework]
Make = Callable[[], Workload]
Note = Callable[[Moment, Framework], None]


def measure(
    turn: Turn,
    load: Load,
    make: Make,
    rounds: Rounds,
    *,
    keeper: Keeper | None = None,
    clock: Clock = time.perf_counter_ns,
    cpu_clock: Clock = cpu_ns,
    announce: Callable[[str], None] = lambda phase: None,
    cache_entries: Callable[[], int] = lambda: 0,
    startup_ns: int = 0,
) -> Record:
    """Run one replicate of `turn.cell` and return its record, whatever happens.

    Args:
        turn: the cell and the settings.
        load: imports the framework and returns its module.
        make: returns the workload.
        rounds: measures the timed rounds.
        keeper: hands out time slices, for a turn that alternates; None: all rounds in one go.
        clock: returns the time in nanoseconds.
        cpu_clock: returns the CPU time of this process and its guests so far, of all threads, in nanoseconds.
        announce: called with the name of each phase as it begins.
        cache_entries: counts the files of all compile caches.
        startup_ns: age of the process when this was called.
    """
    phase = PhaseClock(clock, announce, startup_ns)
    replicate = Replicate(turn, phase, clock, cache_entries=cache_entries, cpu_clock=cpu_clock, keeper=keeper)
    status, reason, failure = ending(phase, lambda: replicate.run(load, make, rounds))
    with phase("teardown"):
        record = replicate.record(status, reason, failure)
    return dataclasses.replace(record, phases=phase.phases())


def repeat(
    turn: Turn,
    kind: RepeatKind,
    load: Load,
    make: Make,
    *,
    clock: Clock = time.perf_counter_ns,
    cache_entries: Callable[[], int] = lambda: 0,
) -> Repeat:
    """Run the first steps of `turn.cell` and their gate once more, whatever happens, with `turn.threads` threads."""
    phase = PhaseClock(clock, lambda _: None, 0)
    replicate = Replicate(turn, phase, clock, cache_entries=cache_entries)
    status, reason, _ = ending(phase, lambda: replicate.begin(load, make, whole=False, settles=kind == "warm"))
    cache = replicate.cache
    return Repeat(
        kind=kind,
        threads=turn.threads,
        status=status,
        reason=reason,
        first_step_ns=replicate.first_step_ns,
        settling_ns=replicate.settling_ns,
        compile_cache=cache.compile_cache if cache else None,
        cache_hits=cache.hits if cache else None,
        cache_misses=cache.misses if cache else None,
        cache_entries=cache.entries if cache else None,
        fingerprint=replicate.start.fingerprint if replicate.start else "",
    )


def export(
    turn: Turn,
    load: Load,
    make: Make,
    write: Callable[[Workload, Mapping[str, NDArray[np.float32]]], Export],
    *,
    clock: Clock = time.perf_counter_ns,
    announce: Callable[[str], None] = lambda phase: None,
    startup_ns: int = 0,
) -> Record:
    """Train the cell of `turn` and pass the gate; at a batch take the run's parameters. Export them with `write`."""
    phase = PhaseClock(clock, announce, startup_ns)
    replicate = Replicate(turn, phase, clock)
    written: list[Export] = []

    def run() -> str | None:
        if turn.cell.batch:
            with phase("import"):
                framework = load()
                replicate.versions = framework.versions()
            with phase("device"):
                framework.start(turn.cell.device, turn.threads)
            with phase("export"):
                workload = make()
                replicate.accuracy = accuracy.given(workload)
                written.append(write(workload, workload.parameters))
            return None
        gate = replicate.begin(load, make)
        if isinstance(gate, str):
            return gate
        with phase("export"):
            written.append(write(gate.workload, gate.step.parameters()))
        return None

    status, reason, failure = ending(phase, run)
    record = replicate.record(status, reason, failure)
    return dataclasses.replace(record, export=written[0] if written else None, phases=phase.phases())


class Replicate:
    """The results of one replicate so far. `record` can be called at any point, so a failure loses nothing."""

    def __init__(
        self,
        turn: Turn,
        phase: PhaseClock,
        clock: Clock,
        *,
        cache_entries: Callable[[], int] = lambda: 0,
        cpu_clock: Clock = cpu_ns,
        note: Note = lambda moment, framework: None,
        keeper: Keeper | None = None,
    ) -> None:
        self.turn = turn
        self.keeper = keeper
        self.note = note
        self.phase = phase
        self.clock = clock
        self.cpu_clock = cpu_clock
        self.cache_entries = cache_entries
        self.memory = Memory()
        self.trained = Allocator()  # after the first steps and before the check, whose memory is no training's
        self.versions: Sequence[str] = ()
        self.load_ns: int | None = None
        self.first_step_ns: int | None = None
        self.settling_ns: tuple[int, ...] = ()
        self.cache: caches.CacheUse | None = None
        self.kernel_bytes = caches.kernel_bytes(turn.kernels)
        self.timing: Timing | None = None
        self.start: Accuracy | None = None  # of the gate's first steps
        self.accuracy: Accuracy | None = None
        self.ran_on: tuple[int, ...] = ()
        self.peak_bytes: int | None = None  # before what is no part of the cell's own work
        self.proof: ModeProof | None = None
        self.parallel: Parallel | None = None

    def run(self, load: Load, make: Make, rounds: Rounds) -> str | None:
        """Go through the phases; return why the cell was skipped, None when it was measured.

        Raises:
            InvalidResultError: the result or the mode is not the requested one.
        """
        gate = self.begin(load, make, settles=True)
        if isinstance(gate, str):
            return gate
        self._time(gate, rounds)
        return None

    def begin(self, load: Load, make: Make, *, whole: bool = True, settles: bool = False) -> Gate | str:
        """Import, build, take the first step, pass the gate or its start; return it, or why the cell is skipped.

        Args:
            load: imports the framework and returns its module.
            make: returns the workload.
            whole: whether to train all steps of the gate, or only its start.
            settles: whether to find the calls after the first that still compile.

        Raises:
            InvalidResultError: the result differs too much from the reference.
        """
        cell, phase = self.turn.cell, self.phase
        offer = framework_offer(cell.framework)
        if lacking := device_lacking(offer, cell.device) or policy_lacking(cell) or strategy_lacking(cell):
            return lacking
        with phase("import"):
            framework = load()
            self.versions = framework.versions()
            self.memory = Memory(host_rss_after_import_bytes=resident_bytes())
            self.note("import", framework)
        if cell.workload not in framework.FORWARD:
            return f"{cell.framework} does not express the {cell.workload}"
        with phase("device"):
            framework.start(cell.device, self.turn.threads)
            self.note("device", framework)
        with phase("build"):
            workload = make()
            begin = self.clock()
            step = framework.build(workload, cell.mode, cell.precision)
            self.load_ns = self.clock() - begin
            if isinstance(step, Skip):
                return step.reason
            self.note("build", framework)
            gate = Gate(
                framework=framework,
                workload=workload,
                formula=workload.formula(framework.ADAM),
                known=partial(known_references, self.turn, workload, workload.formula(framework.ADAM)),
                step=step,
                precision=PRECISIONS[cell.precision],
                initial=step.parameters(),
            )
            entries = self.cache_entries()
        with phase("first_step"):
            begin = self.clock()
            framework.wait(step.run(1))
            self.first_step_ns = self.clock() - begin
            self.note("first step", framework)
            self.cache = caches.cache_use(step.proof(), before=entries, after=self.cache_entries())
            if settles:
                self.settling_ns = settling(RoundTimer(framework, step, self.clock), self.cpu_clock)
                self.trained = framework.memory()
        with phase("check"):
            self.start, whole_run = gate.before_timing(whole=whole)
            if whole_run:
                self.accuracy = dataclasses.replace(whole_run, fingerprint=self.start.fingerprint)
        return gate

    def _time(self, gate: Gate, rounds: Rounds) -> None:
        framework, step, phase = gate.framework, gate.step, self.phase
        timer = RoundTimer(framework, step, self.clock)
        settings = self.turn.settings
        if self.keeper and step.fit is None:
            settings = dataclasses.replace(settings, round_floor_ns=min(settings.round_floor_ns, SLICED_ROUND_NS))
        with phase("warmup"):
            warmup = warm_up(timer, settings, calls_of(self.turn))
        with phase("rounds"):
            before, allocated = step.proof(), framework.memory()
            timer.warm_again(warmup.calls)
            timed = self._rounds(timer, rounds, warmup)
        self.ran_on = timed.ran_on
        if self.keeper:
            phase.exclude("rounds", self.keeper.parked_ns)
        assert self.cache
        assert self.first_step_ns is not None
        timing = Timing(
            steps_per_call=step.steps_per_call,
            calls_per_round=warmup.calls,
            first_step_ns=self.first_step_ns,
            settling_ns=self.settling_ns,
            load_ns=self.load_ns,
            compile_cache=self.cache.compile_cache,
            cache_entries=self.cache.entries,
            warmup_rounds=warmup.rounds,
            steady=warmup.steady,
            clock_ns=warmup.clock_ns,
            round_ns=timed.round_ns,
            round_begin_ns=timed.begin_ns,
            double_round_ns=timed.double_round_ns,
            process_cpu_ns=timed.cpu_ns,
            process_wall_ns=timed.wall_ns,
            slice_rounds=timed.slice_rounds,
            switch_round_ns=timed.switch_round_ns,
            round_cpu_ns=timed.round_cpu_ns,
            pipe_ns=timed.pipe_ns,
        )
        with phase("check"):
            caches.require_installed(self.kernel_bytes, caches.kernel_bytes(self.turn.kernels))
            self._check(gate, timing, before, allocated)
        self.timing = timing

    def _rounds(self, timer: RoundTimer, rounds: Rounds, warmup: WarmUp) -> TimedRounds:
        cpu_clock = self.cpu_clock
        if self.keeper is None:
            more = LATENCY_ROUNDS if is_latency(self.turn.cell) else 1
            count = self.turn.settings.rounds * more
            return timed_rounds(timer, rounds, calls=warmup.calls, count=count, cpu_clock=cpu_clock, quiet_every=more)
        resident = resident_bytes()
        return sliced_rounds(timer, rounds, self.keeper, warmup, resident_bytes=resident, cpu_clock=cpu_clock)

    def _check(self, gate: Gate, timing: Timing, before: ModeProof, allocated: Allocator) -> None:
        """Check mode, memory and result again, after the timed rounds."""
        assert self.accuracy
        now = gate.framework.memory()
        self.proof = dataclasses.replace(during(before, gate.step.proof()), allocator=now.policy)
        self.memory = with_allocations(self.memory, self.trained, allocated, now)
        require_mode(self.turn.cell, self.turn.threads, self.proof)
        require_threads(self.turn.threads * max(1, self.turn.cell.ranks), timing)
        require_no_allocations(self.memory)
        if isinstance(gate.step, LedStep):
            calls, seen = timing.calls_per_round, self.ran_on
            self.parallel = parallel_of(
                self.turn, gate.step, gate.framework, calls=calls, proof=self.proof, ran_on=seen, clock=self.clock
            )
        after = gate.start("after timing")
        self.accuracy = dataclasses.replace(
            self.accuracy,
            max_loss_deviation=_larger(self.accuracy.max_loss_deviation, after.max_loss_deviation),
            rms_deviation=_larger(self.accuracy.rms_deviation, after.rms_deviation),
            fingerprint_after=after.fingerprint,
        )
        if framework_offer(self.turn.cell.framework).exhibit and self.turn.cell.track == "identical":
            self.peak_bytes = peak_resident_bytes()
            self._tell_formula(gate)

    def _tell_formula(self, gate: Gate) -> None:
        """Train once more, with an epsilon that tells the formulas of Adam apart; drops the step that was timed."""
        assert self.accuracy
        gate.step.release()
        cell = self.turn.cell
        fits = formula.fits(gate.framework, gate.workload, cell.mode, cell.precision)
        self.accuracy = dataclasses.replace(self.accuracy, fits=fits, fits_epsilon=formula.EPSILON if fits else None)
        formula.require(fits, gate.formula, gate.workload.loss_tolerance)

    def _environment(self) -> Environment:
        """Return where this process ran; with ranks, the processors of all of them, where they are known."""
        described = dataclasses.replace(describe(self.turn, self.versions), ran_on=self.ran_on)
        if not self.turn.cell.ranks:
            return described
        return dataclasses.replace(described, cpus=processors_of(self.parallel.placed if self.parallel else ()))

    def record(self, status: Status, reason: str, failure: Failure | None) -> Record:
        """Return the record of the results so far."""
        return Record(
            cell=self.turn.cell,
            block=self.turn.block,
            position=self.turn.position,
            status=status,
            reason=reason,
            timing=self.timing,
            memory=dataclasses.replace(self.memory, host_peak_rss_bytes=self.peak_bytes or peak_resident_bytes()),
            accuracy=self.accuracy,
            proof=self.proof,
            environment=self._environment(),
            parallel=self.parallel,
            failure=failure,
        )


def is_latency(cell: Cell) -> bool:
    """Return whether a replicate measures the latency of single calls, not throughput: inference at batch 1."""
    return cell.batch == 1


def calls_of(turn: Turn) -> int | None:
    """Return how many calls a round has; None: to be calibrated. A tail needs one call a round."""
    return 1 if is_latency(turn.cell) else turn.calls_per_round


def _larger(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else max(a, b)
