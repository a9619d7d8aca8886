"""How much a counter that only grows, such as that of energy, grew between two moments."""

import itertools
from collections.abc import Sequence


def between(counter: Sequence[tuple[int, float]], begin_ns: int, end_ns: int) -> int | None:
    """Return a counter's growth between two moments; None where it was not read before the first and after the last.

    None, too, where it fell, as when its driver was reset.

    Args:
        counter: (time in ns, value), in the order of time; between two ticks its growth is interpolated.
        begin_ns: on the same clock.
        end_ns: on the same clock.
    """
    ticks = _ticks(counter)
    if not ticks or not ticks[0][0] <= begin_ns <= end_ns <= max(t_ns for t_ns, _ in counter):
        return None
    grown = round(_at(ticks, end_ns) - _at(ticks, begin_ns))
    return grown if grown >= 0 else None


def spacing_ns(counter: Sequence[tuple[int, float]], begin_ns: int, end_ns: int) -> int:
    """Return how far apart the ticks are between which `between` interpolates at its two ends: the longer time.

    After the last tick it is the time in which none has been seen.
    """
    ticks = [t_ns for t_ns, _ in _ticks(counter)]
    if not ticks:
        return 0
    edges = [*ticks, max(t_ns for t_ns, _ in counter)]
    return max(
        max((after - before for before, after in itertools.pairwise(edges) if before <= t_ns <= after), default=0)
        for t_ns in (begin_ns, end_ns)
    )


def _ticks(counter: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return the first reading, and those at which the value had changed."""
    ticks: list[tuple[int, float]] = []
    for t_ns, value in counter:
        if not ticks or value != ticks[-1][1]:
            ticks.append((t_ns, value))
    return ticks


def _at(ticks: Sequence[tuple[int, float]], t_ns: int) -> float:
    """Return the counter at a moment, by a straight line through the ticks around it; after the last: the last."""
    for (before_ns, before), (after_ns, after) in itertools.pairwise(ticks):
        if before_ns <= t_ns <= after_ns:
            return before + (after - before) * (t_ns - before_ns) / (after_ns - before_ns)
    return ticks[-1][1]
