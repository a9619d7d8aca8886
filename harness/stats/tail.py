"""The tail of single calls: the duration that 99 of 100 of them do not exceed.

A tail needs more values than a replicate has rounds, so it is read from all rounds of all replicates together, and it
never stands without their number. Nothing is left out: a call that another program held up is part of a tail. Rounds of
one process resemble each other, which its interval, that of independent values, does not know: it is too narrow rather
than too wide, and no verdict rests on it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bench.records.record import Timing
from harness.stats.estimate import ALPHA

P99: Final = 0.99
FEWEST: Final = 100  # rounds: of fewer not one is expected beyond the quantile
NOTHING: Final = 12.0  # standard deviations below the mean of a binomial distribution: beyond is less than 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """A quantile of the durations of single calls, or why there is none."""

    ns: float | None  # None: `why` has the reason
    low_ns: float | None = None  # ends of its interval, "95 %" in print; None: the rounds are too few for that end
    high_ns: float | None = None
    rounds: int = 0  # of all replicates together
    replicates: int = 0
    why: str = ""  # empty: there is a quantile


def tail(timings: Iterable[Timing], share: float = P99) -> Tail:
    """Return the `share` quantile of the rounds of all replicates: of n sorted ones the ⌈n · share⌉th (nearest rank).

    Args:
        timings: one of each good replicate; each round of them has to be one call.
        share: of the calls that are at most as long, between 0 and 1.
    """
    known = list(timings)
    rounds = sorted(ns for timing in known for ns in timing.round_ns)
    none = Tail(ns=None, rounds=len(rounds), replicates=len(known))
    calls = max((timing.steps_per_round for timing in known), default=1)
    if calls > 1 or any(timing.double_round_ns for timing in known):
        return replace(none, why=f"a round has {calls} calls, so that no single one is known")
    if len(rounds) < FEWEST:
        return replace(none, why=f"{len(rounds)} rounds, fewer than {FEWEST}")
    low, high = ranks(len(rounds), share)
    return replace(
        none,
        ns=float(rounds[math.ceil(len(rounds) * share - 1e-9) - 1]),
        low_ns=float(rounds[low - 1]) if low else None,
        high_ns=float(rounds[high - 1]) if high else None,
    )


def ranks(count: int, share: float, alpha: float = ALPHA) -> tuple[int | None, int | None]:
    """Return the ranks, from 1, of the order statistics between which the `share` quantile lies; None: there is none.

    The number of values below the quantile is binomial, so the r-th of them lies above it with probability
    P(B(count, share) ≤ r - 1), whatever the distribution (David and Nagaraja 2003, "Order Statistics", section 7.1).
    Each end errs with at most `alpha` / 2: of fewer than 403 values none bounds the 99 % quantile from above.
    """
    low, high, below = None, None, 0.0
    farthest = count * share - NOTHING * math.sqrt(count * share * (1 - share))
    for rank in range(max(1, math.floor(farthest)), count + 1):
        below += _binomial(count, rank - 1, share)  # P(B ≤ rank - 1)
        if below <= alpha / 2:
            low = rank
        if below >= 1 - alpha / 2:
            high = rank
            break
    return low, high


def _binomial(count: int, hits: int, share: float) -> float:
    """Return the probability of `hits` of `count`; by logarithms, since the coefficients exceed any float."""
    logs = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(logs + hits * math.log(share) + (count - hits) * math.log1p(-share))
