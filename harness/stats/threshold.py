"""Which ratios of times lie beyond a threshold that the user names.

A verdict needs six blocks, because it asks whether there is any difference at all. Whether a difference is larger than
10 % is a coarser question, which fewer blocks can answer:

    slower        the interval's lower end lies above 1 + bound
    faster        its upper end lies below 1 / (1 + bound)
    within        the whole interval lies between 1 / (1 + threshold) and 1 + threshold
    undetermined  none of them, or one block, which has no interval

The bound is the threshold, or the noise floor where that is larger; then nothing is "within". Slower and faster also
need that Holm's procedure over all ratios of the table rejects them at the bound: without it one of forty cells would
be wrong by chance. Decision 28 has how often it is wrong, and what it finds.
"""

from collections.abc import Sequence
from typing import Literal

from harness.stats.pairs import Pair, holm

Answer = Literal["slower", "faster", "within", "undetermined"]


def answers(pairs: Sequence[Pair], threshold: float, floor: float) -> list[Answer]:
    """Return the answer on each pair of one printed table.

    Args:
        pairs: those of the table.
        threshold: relative difference that counts, 0.1 for 10 %.
        floor: noise floor, the relative difference that may be noise.
    """
    bound = 1 + max(threshold, floor)
    ps = [min(pair.p_above(bound), pair.inverse.p_above(bound)) for pair in pairs]
    return [
        _answer(pair, bound, is_rejected, within=1 + threshold if threshold >= floor else None)
        for pair, is_rejected in zip(pairs, holm(ps), strict=True)
    ]


def _answer(pair: Pair, bound: float, is_rejected: bool, *, within: float | None) -> Answer:
    interval = pair.ratio.interval
    if interval is None:
        return "undetermined"
    if interval.low > bound and is_rejected:
        return "slower"
    if interval.high < 1 / bound and is_rejected:
        return "faster"
    if within is not None and interval.low >= 1 / within and interval.high <= within:
        return "within"
    return "undetermined"
