"""The timed rounds of a process that takes turns: in time slices, parked between them.

A slice is about `SLICE_NS` of whole rounds, and one more before them, which is left out: the process that had its slice
before used the caches. Where a round is as long as a slice, nothing is left out: a slice is one round. Where a round is
one short call, for its latency, a slice has `MOST_UNITS` rounds after `SETTLING_NS` of them; garbage is collected
before the first of these alone, and all of them are made at once (`bench.protocol.burst`), as a guest makes all rounds
of its slices.
"""

import math
from typing import Final

from bench.protocol.placement import Placement
from bench.protocol.rounds import (
    Clock,
    EnoughRounds,
    Rounds,
    RoundTimer,
    TimedRounds,
    WarmUp,
    collected_by_hand,
    lengths_of,
    round_robin,
)
from bench.turns.parking import SLICE_NS, Keeper, Parked

SLICED_ROUND_NS: Final = 2_000_000  # least length of a round: shorter than the slices that a scheduler deals out
MOST_UNITS: Final = 50  # of a slice that count: of calls of some microseconds a slice would have thousands
SETTLING_NS: Final = 500_000  # until the caches hold what short rounds use
MOST_ROUNDS: Final = 1 << 30  # the keeper ends them


class Slices:
    """Which rounds lie in which slice, and what each took of the processor."""

    def __init__(
        self,
        timer: RoundTimer,
        keeper: Keeper,
        warm: WarmUp,
        cpu_clock: Clock,
        resident_bytes: int,
        placement: Placement | None = None,
    ) -> None:
        """As for `sliced_rounds`."""
        self.placement = placement or Placement()
        self.lengths = lengths_of(timer, warm.calls)
        unit_ns = max(1, warm.round_ns * (3 if len(self.lengths) == 2 else 1))
        settling = min(MOST_UNITS, max(1, math.ceil(SETTLING_NS / unit_ns)))
        self.left_out = settling if unit_ns < SLICE_NS else 0
        self.are_short = settling > 1
        timed = min(MOST_UNITS, max(1, round(SLICE_NS / unit_ns)))
        self.units = timed + self.left_out  # of a slice: rounds, or a trainer's two fits
        self.round = (
            timer.rounds_of(warm.calls, self.units, cpu_clock)
            if timer.step.guest or (self.are_short and timer.step.fit is None)
            else round_robin([timer.round_of(length) for length in self.lengths])
        )
        self.begin_ns: list[int] = []
        self.cpu_ns: list[int] = []  # of each round: first the clock when it begins, then what it took
        self.spent_cpu_ns = self.spent_wall_ns = 0  # within the slices
        self._timer = timer
        self._keeper = keeper
        self._cpu_clock = cpu_clock
        self._parked = Parked(slice_ns=unit_ns * self.units, resident_bytes=resident_bytes)
        self._since = (0, 0)

    def before(self) -> None:
        """Bring the process to rest before a round, after the wait for the next slice where one has ended."""
        if self.cpu_ns:
            self.cpu_ns[-1] = self._cpu_clock() - self.cpu_ns[-1]
        is_first = len(self.begin_ns) % (self.units * len(self.lengths)) == 0
        if is_first:
            self._wait()
        self.placement.look()
        if is_first or not self.are_short:
            self._timer.quiet()
        self.cpu_ns.append(self._cpu_clock())
        self.begin_ns.append(self._timer.clock())

    def _wait(self) -> None:
        if self.begin_ns:
            self.spent_cpu_ns += self._cpu_clock() - self._since[0]
            self.spent_wall_ns += self._timer.clock() - self._since[1]
            self.placement.look_at_all()
        if not (self._keeper.end_slice() if self.begin_ns else self._keeper.park(self._parked)):
            raise EnoughRounds
        self._since = self._cpu_clock(), self._timer.clock()


def sliced_rounds(
    timer: RoundTimer,
    rounds: Rounds,
    keeper: Keeper,
    warm: WarmUp,
    *,
    resident_bytes: int,
    cpu_clock: Clock,
    placement: Placement | None = None,
) -> TimedRounds:
    """Time rounds in time slices, as many as the `keeper` hands out.

    Args:
        timer: runs the rounds.
        rounds: times them.
        keeper: hands out the slices.
        warm: how the warm-up ended.
        resident_bytes: memory that the process holds, for the keeper.
        cpu_clock: returns the CPU time of all threads of this process so far, in ns.
        placement: notes where they run; None: a new one.

    Raises:
        KeeperError: the keeper is gone.
    """
    slices = Slices(timer, keeper, warm, cpu_clock, resident_bytes, placement)
    with collected_by_hand():
        durations = rounds(slices.round, slices.before, MOST_ROUNDS)
    times = timer.own(slices.begin_ns, durations, slices.cpu_ns)
    durations = times.round_ns
    size = len(slices.lengths)
    units = [range(at, at + size) for at in range(0, len(durations), size)]
    kept = [unit for number, unit in enumerate(units) if number % slices.units >= slices.left_out]
    left_out = [unit for number, unit in enumerate(units) if number % slices.units < slices.left_out]
    return TimedRounds(
        begin_ns=tuple(times.begin_ns[unit[0]] for unit in kept),
        round_ns=tuple(durations[unit[0]] for unit in kept),
        double_round_ns=tuple(durations[unit[1]] for unit in kept) if size == 2 else (),
        cpu_ns=slices.spent_cpu_ns,
        wall_ns=slices.spent_wall_ns,
        slice_rounds=(slices.units - slices.left_out,) * (len(units) // slices.units),
        switch_round_ns=tuple(durations[unit[0]] for unit in left_out),
        round_cpu_ns=tuple(sum(times.cpu_ns[at] for at in unit) for unit in kept),
        pipe_ns=tuple(times.pipe_ns[unit[0]] for unit in kept) if times.pipe_ns else (),
        ran_on=slices.placement.processors,
    )
