"""A program without samestep that takes turns with others, and what it measured as samestep would have recorded it.

Such a program runs its rounds without a pause. So it is stopped and continued from outside, and the rounds that lie
whole within one of its slices count. As the slices of a `Timing`, they are compared by `harness.stats.alternation`.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Timing
from bench.turns.kept import proceed, stop

SETTLING_NS: Final = 500_000  # as in a replicate's slices of short rounds
# Of a slice that count, as there: short calls deeper in it are faster.
MOST_UNITS: Final = 50
LOOK_S: Final = 0.005  # between two looks whether a program has begun its rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One timed round; both times by the monotonic clock that all processes of a host share."""

    begin_ns: int
    end_ns: int
    steps: int
    cpu_ns: int | None = None  # CPU time of the process; None: the program does not say

    @property
    def duration_ns(self) -> int:
        """Its length."""
        return self.end_ns - self.begin_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time slice of a program, by the same clock."""

    begin_ns: int
    end_ns: int

    def holds(self, each: Round) -> bool:
        """Return whether a round began and ended in it."""
        return self.begin_ns <= each.begin_ns and each.end_ns <= self.end_ns


class FreeRunning:
    """A program that is stopped except in its slices, from its first round on."""

    def __init__(self, pid: int, *, is_ready: Callable[[], bool], has_ended: Callable[[], bool]) -> None:
        """Take the process `pid`, which leads its own process group; `is_ready`: it has begun its rounds."""
        self._pid = pid
        self._is_ready = is_ready
        self._has_ended = has_ended
        self.windows: list[Window] = []

    def start(self) -> None:
        """Wait until it has begun its rounds, and stop it; return at once when it has ended."""
        while not self.stop_when_ready():
            time.sleep(LOOK_S)

    def stop_when_ready(self) -> bool:
        """Stop it if it has begun its rounds; return whether it is stopped, or has ended."""
        if not self._is_ready() and not self._has_ended():
            return False
        self._stop()
        return True

    def run_slice(self, seconds: float) -> None:
        """Let it run for so long."""
        if self._has_ended():
            return
        begin_ns = time.perf_counter_ns()
        proceed(self._pid)
        time.sleep(seconds)
        self.windows.append(Window(begin_ns=begin_ns, end_ns=time.perf_counter_ns()))
        self._stop()

    def finish(self) -> None:
        """Let it run to its end."""
        if not self._has_ended():
            proceed(self._pid)

    def _stop(self) -> None:
        if not self._has_ended():
            stop(self._pid)


def timing_of(rounds: Sequence[Round], windows: Sequence[Window]) -> Timing | None:
    """Return the rounds of a program's slices as the timing of a replicate; None: no round lies in a slice.

    The first round of a slice is left out where more follow, as are those of its first half millisecond: another
    process had used the caches. Of the others the first `MOST_UNITS` count. A trainer's rounds are pairs of fits of N
    and of 2N steps; in another order they do not count.
    """
    lengths = sorted({each.steps for each in rounds})
    units = list(_pairs(rounds) if len(lengths) == 2 else ((each,) for each in rounds))
    slices = []
    for window in windows:
        whole = [unit for unit in units if all(window.holds(each) for each in unit)]
        settled = [unit for unit in whole[1:] if unit[0].begin_ns >= window.begin_ns + SETTLING_NS]
        slices.append((settled or whole[1:] or whole)[:MOST_UNITS])
    kept = [unit for of_slice in slices for unit in of_slice]
    if not kept:
        return None
    return Timing(
        steps_per_call=1,
        calls_per_round=lengths[0],
        first_step_ns=0,
        compile_cache="none",
        warmup_rounds=0,
        steady=True,
        clock_ns=0,
        round_ns=tuple(unit[0].duration_ns for unit in kept),
        round_begin_ns=tuple(unit[0].begin_ns for unit in kept),
        double_round_ns=tuple(unit[1].duration_ns for unit in kept) if len(lengths) == 2 else (),
        slice_rounds=tuple(map(len, slices)),
        round_cpu_ns=_cpu_ns(kept),
    )


def _cpu_ns(units: Sequence[Sequence[Round]]) -> tuple[int, ...]:
    """Return the CPU time of each round, of a trainer of both fits; empty where one is not known."""
    known = [[each.cpu_ns for each in unit if each.cpu_ns is not None] for unit in units]
    return tuple(map(sum, known)) if all(len(of) == len(unit) for of, unit in zip(known, units, strict=True)) else ()


def _pairs(rounds: Sequence[Round]) -> Iterator[tuple[Round, ...]]:
    for once, twice in itertools.pairwise(rounds):
        if once.steps < twice.steps:
            yield once, twice
