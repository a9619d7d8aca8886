"""Ratios of processes that took turns: neighbouring time slices met the same machine.

A shared processor may run at half speed for a second, and two processes measured a minute apart then differ by a third.
Of two that take turns of 50 ms, each slice is compared with its neighbour in time, and the median of the logarithms of
these ratios is what one block says about the two. (Interleaved or duet measurement: Abedi and Brecht 2017, "Conducting
repeatable experiments in highly variable cloud computing environments", ICPE; Bulej et al. 2020, "Duet benchmarking:
improving measurement accuracy in the cloud", ICPE.)
"""

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Timing
from harness.stats.estimate import best_share, round_shares, step_ns

FEWEST: Final = 5  # neighbouring slices that a ratio needs
MOST_KEPT: Final = 5000  # replicates
LEAST_SHARE: Final = 0.95  # of the processor time per wall time of the best rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One time slice of a process."""

    begin_ns: int  # of its first round, by the monotonic clock that all processes of a host share
    round_ns: float  # median of its rounds
    double_round_ns: float | None  # median of a trainer's fits of twice the steps; None: no trainer


@dataclass(frozen=True, slots=True)
class _Sliced:
    """A replicate with its slices. It is kept, so that its id stays its own."""

    timing: Timing
    slices: tuple[Slice, ...]
    first_ns: int  # the first and the last slice began then; 0: there is none
    last_ns: int


_kept: dict[int, _Sliced] = {}
_ratios: dict[tuple[int, int], float | None] = {}  # of two that are in `_kept`


def took_turns(timing: Timing) -> bool:
    """Return whether the rounds of a replicate were measured in time slices."""
    return bool(timing.slice_rounds)


def slices(timing: Timing) -> tuple[Slice, ...]:
    """Return the time slices of a replicate; none where it ran its rounds in one go.

    Rounds in which another process had the processor do not count, and a slice without any other is left out.
    """
    return _sliced(timing).slices


def _sliced(timing: Timing) -> _Sliced:
    # Each replicate is compared with many others. By identity: to hash its thousand rounds takes as long as this.
    known = _kept.get(id(timing))
    if known is None:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
            _ratios.clear()
        found = _slices(timing)
        begins = [each.begin_ns for each in found] or [0]
        known = _kept[id(timing)] = _Sliced(timing, found, min(begins), max(begins))
    return known


def _slices(timing: Timing) -> tuple[Slice, ...]:
    found, first = [], 0
    alone = _alone(timing)
    for count in timing.slice_rounds:
        rounds = [at for at in range(first, first + count) if alone[at]]
        first += count
        if rounds:
            double = [timing.double_round_ns[at] for at in rounds] if timing.double_round_ns else []
            found.append(
                Slice(
                    begin_ns=timing.round_begin_ns[rounds[0]],
                    round_ns=statistics.median(timing.round_ns[at] for at in rounds),
                    double_round_ns=statistics.median(double) if double else None,
                )
            )
    return tuple(found)


def _alone(timing: Timing) -> list[bool]:
    """Return of each round whether the process had the processor as it usually has.

    CPU time over wall time is that of its best rounds, up to 5 %. It is compared with itself, not with 1: a step may
    wait, or use several processors.
    """
    shares = round_shares(timing)
    if not shares:
        return [True] * len(timing.round_ns)
    best = best_share(shares)
    return [share >= LEAST_SHARE * best for share in shares]


def ratio(a: Timing, b: Timing, others: Iterable[Timing] = ()) -> float | None:
    """Return a's time per step ÷ b's, in one block; None where one of them has no time per step.

    Of members of one group it comes from neighbouring slices. Members of different groups are linked through the first
    of `others` that took turns with both, such as the baseline. Without a link, or where the processes took no turns,
    it is the quotient of the medians.
    """
    if took_turns(a) and took_turns(b):
        if (direct := _from_slices(a, b)) is not None:
            return direct
        for other in others:
            to_other = _from_slices(a, other)
            from_other = None if to_other is None else _from_slices(other, b)
            if to_other is not None and from_other is not None:
                return to_other * from_other
    a_ns, b_ns = step_ns(a), step_ns(b)
    return None if a_ns is None or b_ns is None else a_ns / b_ns


def _from_slices(a: Timing, b: Timing) -> float | None:
    """Return the ratio of two members of one group; None: they were in none, or a slope is not positive.

    One that links groups is asked for again and again.
    """
    if not _met(_sliced(a), _sliced(b)):
        return None
    key = id(a), id(b)
    if key not in _ratios:
        ratio = _ratio_of_slices(a, b)
        if id(a) not in _kept or id(b) not in _kept:  # they were cleared meanwhile, and an id may become another's
            return ratio
        _ratios[key] = ratio
    return _ratios[key]


def _ratio_of_slices(a: Timing, b: Timing) -> float | None:
    """Return the ratio of two members of one group; None: they were in none, or a slope is not positive.

    The step of a trainer is the slope between its fits of N and of 2N steps. Slopes are small differences of long fits,
    so it is the fits that are compared. Of two trainers with r(N) and r(2N), the ratios of their fits of one length,
    and q = T(2N) / T(N) of b, the ratio of the slopes is (r(2N) q - r(N)) / (q - 1).
    """
    ours, theirs = slices(a), slices(b)
    single = _median_ratio(ours, theirs, lambda each: each.round_ns)
    if single is None:
        return None
    steps = b.steps_per_round / a.steps_per_round
    if not a.double_round_ns and not b.double_round_ns:
        return single * steps
    if not a.double_round_ns:
        inverse = _from_slices(b, a)
        return None if inverse is None else 1 / inverse
    if not b.double_round_ns:
        double = _median_ratio(ours, theirs, _longest)
        slope = (double - single) * steps if double is not None else 0.0
        return slope if slope > 0 else None
    double = _median_ratio(ours, theirs, _longest)
    lengthening = statistics.median(_longest(each) / each.round_ns for each in theirs)
    if double is None or lengthening <= 1:
        return None
    slope = (double * lengthening - single) / (lengthening - 1) * steps
    return slope if slope > 0 else None


def _met(a: _Sliced, b: _Sliced) -> bool:
    """Return whether two processes took turns at the same time: none of the two had ended when the other began.

    It says at once what counting neighbours would: of two that did not, at most one slice neighbours another's.
    """
    return bool(a.slices and b.slices) and a.first_ns <= b.last_ns and b.first_ns <= a.last_ns


def _longest(each: Slice) -> float:
    return each.round_ns if each.double_round_ns is None else each.double_round_ns


def _median_ratio(ours: Sequence[Slice], theirs: Sequence[Slice], value: Callable[[Slice], float]) -> float | None:
    """Return exp of the median of log(ours / theirs) over neighbours in time; None: fewer than `FEWEST`."""
    tagged = [*((True, each) for each in ours), *((False, each) for each in theirs)]
    in_time = sorted(tagged, key=lambda pair: pair[1].begin_ns)
    logs = []
    for (left_is_ours, left), (right_is_ours, right) in itertools.pairwise(in_time):
        if left_is_ours != right_is_ours:
            log = math.log(value(left) / value(right))
            logs.append(log if left_is_ours else -log)
    return math.exp(statistics.median(logs)) if len(logs) >= FEWEST else None
