"""The replicate that measures memory. It is not timed, and it holds no more than an ordinary training program.

    import → device → build → first step → check → warm-up → rounds → model deleted → cache emptied

After each of these except the check, the memory of the process and of the framework's allocator is read. An output is
dropped once the next step is made; the float64 reference of the check is freed before the warm-up. The suite itself
keeps the inputs and the initial parameters as NumPy arrays: `Memory.own_bytes`.
"""

import dataclasses
import gc
import time
from collections.abc import Callable
from typing import Final

from bench.interface import Framework, Step
from bench.protocol.phases import PhaseClock, ending
from bench.protocol.replicate import Load, Make, Replicate
from bench.protocol.required import require_mode
from bench.protocol.rounds import MOST_CALLS, Clock
from bench.records.record import Accuracy, Allocator, Memory, Moment, Reading, Record
from bench.reference.workload import Workload
from bench.turns.environment import peak_resident_bytes, resident_bytes, restart_peak
from bench.turns.prepare import cache_entries, framework_of, workload_of
from bench.turns.turn import Turn

ROUND_NS: Final = 20_000_000  # a round lasts at least so long
ROUNDS: Final = 20  # enough for the slope of a line through them
FEWEST_ROUNDS: Final = 5  # however long they are
SPENT_NS: Final = 5_000_000_000  # on more than the fewest
REST_NS: Final = 300_000_000  # after a phase on a GPU, which is sampled from outside ten times a second


class MemoryWatch:
    """Takes the readings of one replicate."""

    def __init__(self, clock: Clock = time.perf_counter_ns, rest_ns: int = 0) -> None:
        self.clock = clock
        self.rest_ns = rest_ns  # after each phase
        self.readings: list[Reading] = []
        self.steps = 0  # made since the check
        self.peak_bytes = 0  # since the process began
        self._is_reset = True  # the kernel's peak is that since the last reading

    def read(self, moment: Moment, framework: Framework) -> None:
        """Store the current memory, with garbage collected and the device idle."""
        gc.collect()
        has_device = moment != "import"  # a framework has no allocator before its device is initialised
        # Nothing was given to a device that has just been initialised. To wait is an operation in TensorFlow: its
        # allocator would take its whole pool, which would count as the context.
        if has_device and moment != "device":
            framework.wait(())
        allocator = framework.memory() if has_device else Allocator()
        peak = peak_resident_bytes()
        rest_ns = self.rest_ns if moment != "round" else 0
        self.readings.append(
            Reading(
                moment=moment,
                at_ns=self.clock(),
                steps=self.steps,
                rss_bytes=resident_bytes(),
                rss_peak_bytes=peak if self._is_reset else None,
                allocator=allocator,
                rested_ns=rest_ns,
            )
        )
        time.sleep(rest_ns / 1e9)
        self.restart()

    def restart(self) -> None:
        """Measure the next peak from now on."""
        self.peak_bytes = max(self.peak_bytes, peak_resident_bytes())
        self._is_reset = restart_peak()


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Run the replicate of `turn` in this process; return the record, whatever happens."""
    return measure(
        turn,
        load=lambda: framework_of(turn.cell),
        make=lambda: workload_of(turn),
        announce=announce,
        cache_entries=cache_entries,
        startup_ns=startup_ns,
    )


def measure(
    turn: Turn,
    load: Load,
    make: Make,
    *,
    clock: Clock = time.perf_counter_ns,
    announce: Callable[[str], None] = lambda phase: None,
    cache_entries: Callable[[], int] = lambda: 0,
    startup_ns: int = 0,
) -> Record:
    """Run one memory replicate and return its record; the arguments are those of `bench.protocol.replicate.measure`."""
    phase = PhaseClock(clock, announce, startup_ns)
    watch = MemoryWatch(clock, REST_NS if turn.cell.device == "cuda" else 0)
    replicate = Replicate(turn, phase, clock, cache_entries=cache_entries, note=watch.read)
    own: list[int] = []
    status, reason, failure = ending(phase, lambda: _observe(replicate, watch, load, make, own))
    with phase("teardown"):
        record = replicate.record(status, reason, failure)
    memory = dataclasses.replace(
        record.memory or Memory(),
        host_peak_rss_bytes=max(watch.peak_bytes, peak_resident_bytes()),
        own_bytes=sum(own) if own else None,
        readings=tuple(watch.readings),
        unix_offset_ns=time.time_ns() - clock(),
    )
    return dataclasses.replace(record, memory=memory, accuracy=_first_steps(replicate.start), phases=phase.phases())


def _observe(replicate: Replicate, watch: MemoryWatch, load: Load, make: Make, own: list[int]) -> str | None:
    """Go through the phases; return why the cell was skipped.

    Raises:
        InvalidResultError: the result or the mode is not the requested one.
    """
    phase = replicate.phase
    gate = replicate.begin(load, make, whole=False)
    if isinstance(gate, str):
        return gate
    framework, step = gate.framework, gate.step
    own.append(_own_bytes(gate.workload))
    with phase("warmup"):
        del gate  # the reference and the copy of the parameters that the check held
        gc.collect()
        watch.restart()
        calls = _warm_up(framework, step, watch)
        watch.read("warm-up", framework)
        gc.freeze()  # so that collecting in the rounds takes microseconds
    with phase("rounds"):
        _rounds(framework, step, watch, calls)
    with phase("check"):
        replicate.proof = dataclasses.replace(step.proof(), allocator=framework.memory().policy)
        require_mode(replicate.turn.cell, replicate.turn.threads, replicate.proof)
    with phase("teardown"):
        step.release()
        del step
        gc.unfreeze()
        watch.read("deleted", framework)
        if framework.empty_cache():
            watch.read("emptied", framework)
    return None


def _warm_up(framework: Framework, step: Step, watch: MemoryWatch) -> int:
    """Return the smallest power of two of calls whose round is long enough three times in a row."""
    calls, long_enough = 1, 0
    while long_enough < 3:
        begin = watch.clock()
        _advance(framework, step, watch, calls)
        if watch.clock() - begin >= ROUND_NS or calls >= MOST_CALLS:
            long_enough += 1
        else:
            calls, long_enough = 2 * calls, 0
    return calls


def _rounds(framework: Framework, step: Step, watch: MemoryWatch, calls: int) -> None:
    begin = watch.clock()
    for number in range(1, ROUNDS + 1):
        _advance(framework, step, watch, calls)
        watch.read("round", framework)
        if number >= FEWEST_ROUNDS and watch.clock() - begin >= SPENT_NS:
            return


def _advance(framework: Framework, step: Step, watch: MemoryWatch, calls: int) -> None:
    """Make `calls` calls, or a fit of as many updates; drop each output once the next one is made; wait."""
    if step.fit is not None:
        outputs = step.run(calls)
        watch.steps += calls
    else:
        for _ in range(calls):
            outputs = step.run(1)
        watch.steps += calls * step.steps_per_call
    framework.wait(outputs)


def _own_bytes(workload: Workload) -> int:
    """Return what the suite holds in NumPy arrays as long as the step lives."""
    return sum(array.nbytes for array in (*workload.batch, *workload.parameters.values()))


def _first_steps(start: Accuracy | None) -> Accuracy | None:
    """Return the accuracy of the first steps, without `within_tolerance`: they are too few to train the parameters."""
    return dataclasses.replace(start, within_tolerance=None) if start else None
