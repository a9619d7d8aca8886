"""Rounds of calls: how long a round must be, when the warm-up may end, and the timed rounds.

The clock includes the wait: a round is "calls, outputs kept alive, wait for the device", all of it timed, so no caller
can forget the wait. A guest times its rounds itself, without the pipe to it (`bench.protocol.guest_clock`). The number
of calls in a round is the smallest power of two for which a round is long enough for the clock; it is chosen after the
warm-up in a cell's first block and frozen for the later blocks.
"""

import contextlib
import dataclasses
import gc
import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from bench.interface import Framework, Step
from bench.protocol.burst import Burst
from bench.protocol.guest_clock import Guest, GuestClock, Times
from bench.protocol.placement import Placement
from bench.turns.turn import Settings

WINDOW: Final = 10  # rounds that must agree with the same number of rounds before them
MEDIAN_AGREES: Final = 0.01  # relative difference of the two windows' medians
SPREAD_AGREES: Final = 0.10  # relative difference of the two windows' median absolute deviations
CLOCKS_PER_ROUND: Final = 200  # a round lasts at least this many times the cost of the clock
MOST_CALLS: Final = 1 << 20
ORDER_NS: Final = 1_000_000  # of the rounds that a guest makes in the warm-up with one order
MOST_TOGETHER: Final = 50  # of them
IN_GUEST_NS: Final = 2_000_000_000  # least warm-up of its short calls: V8 compiles them anew, again and again
AGAIN_NS: Final = 100_000_000
SURELY: Final = 50  # times the floor: one round that long is no short one that a busy machine has stopped

Clock = Callable[[], int]  # nanoseconds, such as time.perf_counter_ns


class EnoughRounds(Exception):  # noqa: N818 - it ends the rounds, and is no error
    """`before` raises it where there is no further round."""


class Rounds(Protocol):
    """Times `run` `count` times, `before` each time outside the clock; in a real run, pytest-benchmark's `pedantic`."""

    def __call__(self, run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        """Return the duration of each call of `run` in ns: `count` of them, or fewer, once `before` said enough."""
        ...


class RoundTimer:
    """Runs rounds, and times those outside pytest-benchmark: calibration and warm-up."""

    def __init__(self, framework: Framework, step: Step, clock: Clock) -> None:
        self.framework = framework
        self.step = step
        self.clock = clock
        self._guest_clock = GuestClock(clock)
        self._burst: Burst | None = None
        self._call_ns = ORDER_NS  # of a guest, as it was last timed; at first no order is for more than one round

    def round(self, calls: int) -> None:
        """Make `calls` calls, keep their outputs alive, wait for the device."""
        self.round_of(calls)()

    def round_of(self, calls: int) -> Callable[[], None]:
        """Return a `round`, looked up before its clock starts: of a call of microseconds that is some per cent."""
        run, wait = self.step.run, self.framework.wait
        if guest := self.step.guest:
            return lambda: wait(self._guest_clock.run(guest, calls))
        return lambda: wait(run(calls))

    def rounds_of(self, calls: int, together: int, cpu_clock: Clock) -> Callable[[], None]:
        """Return what hands out one `round` after the other, of which `together` are made at once; see `own`."""
        if guest := self.step.guest:
            return lambda: self.framework.wait(self._guest_clock.run(guest, calls, together))
        self._burst = Burst(self.round_of(calls), together, self.clock, cpu_clock)
        return self._burst

    def own(self, begin_ns: Sequence[int], durations: Sequence[int], cpu_ns: Sequence[int]) -> Times:
        """Return the last rounds by the clock that counts: the guest's own, a burst's, or as they were timed here.

        Raises:
            InvalidResultError: a guest worked outside of what it timed.
        """
        if self.step.guest:
            return self._guest_clock.take(cpu_ns)
        if self._burst:
            return self._burst.take(len(durations))
        return Times(begin_ns=tuple(begin_ns[: len(durations)]), round_ns=tuple(durations), cpu_ns=tuple(cpu_ns))

    def quiet(self) -> None:
        """Bring the process to rest before a round: garbage collected, device idle."""
        gc.collect()
        self.framework.wait(())

    def time(self, calls: int) -> int:
        """Return the duration of one round in nanoseconds; of a guest's short ones the last of some that it makes."""
        self.quiet()
        if self.step.guest:
            return self._time_in_guest(self.step.guest, calls)
        begin = self.clock()
        self.round(calls)
        return self.clock() - begin

    def _time_in_guest(self, guest: Guest, calls: int) -> int:
        """Return the last of as many rounds as one order has in `ORDER_NS`, by the last call that was timed.

        After a wait for the pipe a short call takes three times as long, and a compiler that watches needs thousands.
        """
        together = min(MOST_TOGETHER, max(1, ORDER_NS // max(1, self._call_ns * calls)))
        for _ in range(together):
            self.framework.wait(self._guest_clock.run(guest, calls, together))
        duration = self._guest_clock.last_ns()
        self._call_ns = duration // calls
        return duration

    def warm_again(self, calls: int) -> None:
        """Make rounds of a guest's short calls, after it collected all garbage: for hundreds of them V8 is slower."""
        begin = self.clock()
        while self.step.guest and self._call_ns * calls < ORDER_NS and self.clock() - begin < AGAIN_NS:
            self.time(calls)

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

        A call that lasts `SURELY` times as long is made once: of steps of a second each one counts.
        A trainer's fit has a fixed cost. So the difference between 2N and N steps must last that long, and at least
        half as long as a fit of N steps: a small difference of two long fits would be noise.
        """
        calls = 1
        while calls < MOST_CALLS and not self._lasts(calls, floor_ns):
            calls *= 2
        return calls

    def _lasts(self, calls: int, floor_ns: int) -> bool:
        if self.step.fit is None:
            first = self.time(calls)
            if first >= SURELY * floor_ns:
                return True
            lasts = [first >= floor_ns, self.time(calls) >= floor_ns]
            if lasts[0] != lasts[1]:  # else they are two of three
                lasts.append(self.time(calls) >= floor_ns)
            return lasts[-1]
        once = statistics.median(self.time(calls) for _ in range(3))
        twice = statistics.median(self.time(2 * calls) for _ in range(3))
        return twice - once >= max(floor_ns, once / 2)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """How the warm-up ended."""

    calls: int  # calls per round in the timed rounds
    rounds: int  # rounds of the warm-up
    steady: bool  # False: it reached its cap before the rounds agreed
    clock_ns: int
    round_ns: int  # median of the last rounds


def warm_up(timer: RoundTimer, settings: Settings, frozen_calls: int | None) -> WarmUp:
    """Run rounds until a window of them has no compilation and agrees with the one before, or until the cap."""
    clock_ns = timer.clock_cost()
    floor_ns = max(settings.round_floor_ns, CLOCKS_PER_ROUND * clock_ns)
    begin = timer.clock()
    with collected_by_hand():
        calls = frozen_calls or timer.calibrate(floor_ns)
        durations: list[int] = []
        compilations: list[int | None] = []
        steady, spent, least_ns, most_ns = False, 0, settings.warmup_floor_ns, settings.warmup_cap_ns
        while not durations or spent < least_ns or (not steady and spent < most_ns):
            durations.append(timer.time(calls))
            compilations.append(timer.step.proof().compilations)
            spent = timer.clock() - begin
            if spent >= settings.warmup_floor_ns and not steady:
                steady = settled(durations, compilations)
            if timer.step.guest and calls == 1 and durations[-1] < ORDER_NS:
                least_ns = max(least_ns, IN_GUEST_NS)
        round_ns = int(statistics.median(durations[-WINDOW:]))
        is_slow = calls == 1 and timer.step.fit is None and round_ns >= SURELY * floor_ns  # another would find the same
        if frozen_calls is None and not is_slow:
            warm, calls = calls, timer.calibrate(floor_ns)
            round_ns = round_ns * calls // warm
    return WarmUp(calls=calls, rounds=len(durations), steady=steady, clock_ns=clock_ns, round_ns=round_ns)


def settled(durations: Sequence[int], compilations: Sequence[int | None]) -> bool:
    """Return whether the last window of rounds had no compilation and agrees with the window before it."""
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimedRounds:
    """The timed rounds of one replicate, in ns; for slices see `bench.records.record.Timing`."""

    begin_ns: tuple[int, ...]  # when each round began
    round_ns: tuple[int, ...]
    double_round_ns: tuple[int, ...]  # only of a trainer: rounds of twice the calls, one after each round
    cpu_ns: int  # processor time of the process in the rounds and between them, all threads
    wall_ns: int
    slice_rounds: tuple[int, ...] = ()
    switch_round_ns: tuple[int, ...] = ()
    round_cpu_ns: tuple[int, ...] = ()
    pipe_ns: tuple[int, ...] = ()
    ran_on: tuple[int, ...] = ()  # processors on which the process was seen


def timed_rounds(
    timer: RoundTimer,
    rounds: Rounds,
    *,
    calls: int,
    count: int,
    cpu_clock: Clock,
    quiet_every: int = 1,
    placement: Placement | None = None,
) -> TimedRounds:
    """Time `count` rounds of `calls` calls in one go; for a trainer also as many rounds twice as long.

    The two lengths alternate, so that a drift affects both equally. `placement` notes where they run. The process is
    brought to rest before the first of `quiet_every` rounds: garbage collection slows a call of microseconds after it.
    """
    placement = placement or Placement()
    lengths = lengths_of(timer, calls)
    run = (
        timer.rounds_of(calls, quiet_every, cpu_clock)
        if quiet_every > 1
        else round_robin([timer.round_of(length) for length in lengths])
    )
    begin_ns: list[int] = []
    cpu_ns: list[int] = []  # of each round: first the clock when it begins, then what it took

    def before() -> None:
        if cpu_ns:
            cpu_ns[-1] = cpu_clock() - cpu_ns[-1]
        placement.look()
        if len(begin_ns) % quiet_every == 0:
            timer.quiet()
        cpu_ns.append(cpu_clock())
        begin_ns.append(timer.clock())

    placement.look_at_all()
    with collected_by_hand():
        cpu, wall = cpu_clock(), timer.clock()
        durations = rounds(run, before, count * len(lengths))
        end = cpu_clock()
        cpu, wall = end - cpu, timer.clock() - wall
    cpu_ns[-1] = end - cpu_ns[-1]
    placement.look_at_all()
    times = timer.own(begin_ns, durations, cpu_ns)
    size = len(lengths)
    return TimedRounds(
        begin_ns=times.begin_ns[::size],
        round_ns=times.round_ns[::size],
        double_round_ns=times.round_ns[1::2] if size == 2 else (),
        cpu_ns=cpu,
        wall_ns=wall,
        round_cpu_ns=tuple(sum(times.cpu_ns[at : at + size]) for at in range(0, len(durations), size)),
        pipe_ns=times.pipe_ns,
        ran_on=placement.processors,
    )


def round_robin(rounds: Sequence[Callable[[], None]]) -> Callable[[], None]:
    """Return what runs one of `rounds` each time, in turns; where there is one, that one."""
    if len(rounds) == 1:
        return rounds[0]
    upcoming = itertools.cycle(rounds)
    return lambda: next(upcoming)()


def lengths_of(timer: RoundTimer, calls: int) -> list[int]:
    """Return the calls of the rounds, which take turns."""
    return [calls] if timer.step.fit is None else [calls, 2 * calls]


@contextlib.contextmanager
def collected_by_hand() -> Iterator[None]:
    """Turn the garbage collector off and freeze all live objects, so that a collection by hand takes microseconds."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
