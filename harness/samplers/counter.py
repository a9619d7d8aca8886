"""The energy of a window of work, from a counter that ticks now and then and is read now and then.

    rest, P(idle) │ work, from begin to end │ rest, P(idle)
          ↑ tick 1: E₁ at t₁                     ↑ tick 2: E₂ at t₂

    above rest = E₂ − E₁ − P(idle) × (t₂ − t₁)

No line is drawn through the edges between rest and work: it would take energy from the work at both ends. The counter
at a tick is exact, whenever the tick was; its time is known to lie between two readings, and counts at rest only.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.observation import REST_NS, Energy

SELDOM: Final = 0.5  # of the time at rest: where the counter ticks more seldom, its power is not known


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the counter: it had the value at some moment of the call."""

    begin_ns: int
    end_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class Tick:
    """The counter reached a value later than `after_ns`, and at `by_ns` at the latest."""

    after_ns: int
    by_ns: int
    value: float

    @property
    def width_ns(self) -> int:
        """How exactly its time is known."""
        return self.by_ns - self.after_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The energy of a window and of the rest before it, and how exactly that of a step is known."""

    window_mj: int
    idle_mj: int
    share: float  # the most by which the energy above rest may be wrong, as a share of the true one; inf: it may be 0
    spacing_ns: int  # the longest time between two readings that this rests on
    rested: bool  # whether the counter shows that the GPU rested after the window


def work(counter: Sequence[Reading], window: Energy) -> Work | str:
    """Return the energy of a window, or why it is not known.

    Args:
        counter: in the order of time, on the clock of `window`; the GPU rests for REST_NS after the window.
        window: with the rest before it.
    """
    if not counter or counter[0].begin_ns > window.idle_begin_ns or counter[-1].end_ns < window.end_ns:
        return "the counter was not read before and after them"
    if any(after.value < before.value for before, after in itertools.pairwise(counter)):
        return "the counter began anew"
    ticks = _ticks(counter)
    at_rest = [tick for tick in ticks if tick.after_ns >= window.idle_begin_ns and tick.by_ns <= window.begin_ns]
    later = [tick for tick in ticks if tick.after_ns >= window.end_ns]
    edges = [window.idle_begin_ns, *(tick.by_ns for tick in at_rest), window.begin_ns]
    longest_ns = max(after - before for before, after in itertools.pairwise(edges))
    idle = [tick for tick in at_rest if tick.by_ns <= window.idle_end_ns]
    idle_ns = window.idle_end_ns - window.idle_begin_ns
    if longest_ns > SELDOM * idle_ns or len(idle) < 2 or not later:
        seldom = max(longest_ns, 0 if later else counter[-1].end_ns - window.end_ns)
        return f"the counter ticked, or was read, every {seldom / 1e6:.0f} ms only, too seldom for them"
    least, power, most = _power(idle[0], idle[-1])
    first, last = at_rest[-1], later[0]
    apart_ns = last.by_ns - first.by_ns
    above = last.value - first.value - power * apart_ns
    # The time at rest by the ticks' own times, the power at rest, and what a GPU that did not rest took at the end.
    error = most * max(first.width_ns, last.width_ns) + max(most - power, power - least) * apart_ns
    rested = _rests(later, window.end_ns + REST_NS, most)
    window_ns = window.end_ns - window.begin_ns
    if not rested:
        error += max(0.0, above) / window_ns * (last.by_ns - window.end_ns)
    return Work(
        window_mj=round(above + power * window_ns),
        idle_mj=round(power * idle_ns),
        share=error / (above - error) if above > error else 0.0 if above < -error else math.inf,
        spacing_ns=max(tick.width_ns for tick in (idle[0], idle[-1], first, last)),
        rested=rested,
    )


def _ticks(counter: Sequence[Reading]) -> list[Tick]:
    """Return the ticks that were seen; of several between two readings the last."""
    return [
        Tick(before.begin_ns, after.end_ns, after.value)
        for before, after in itertools.pairwise(counter)
        if before.value != after.value
    ]


def _power(first: Tick, last: Tick) -> tuple[float, float, float]:
    """Return the least, the likely and the highest power between two ticks, in mJ per ns."""
    grown, shortest_ns = last.value - first.value, last.after_ns - first.by_ns
    return (
        grown / (last.by_ns - first.after_ns),
        grown / (last.by_ns - first.by_ns),
        grown / shortest_ns if shortest_ns > 0 else math.inf,
    )


def _rests(later: Sequence[Tick], until_ns: int, most: float) -> bool:
    """Return whether the ticks after a window, until `until_ns`, may be those of a GPU at rest; too few: no."""
    seen = [tick for tick in later if tick.by_ns <= until_ns]
    return len(seen) > 1 and _power(seen[0], seen[-1])[0] <= most
