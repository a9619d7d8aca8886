"""Which ratios of times lie beyond a threshold that the user names.

A verdict needs six blocks, because it asks whether there is any difference at all. Whether a difference is larger than
10 % is a coarser question, which fewer blocks can answer:

    slower        the interval's lower end lies above 1 + bound
    faster        its upper end lies below 1 / (1 + bound)
    within        the whole interval lies between 1 / (1 + threshold) and 1 + threshold
    undetermined  none of them, or one block, which has no interval

The bound is the threshold, or the noise floor where that is larger; then nothing is "within". Slower and faster also
need that Holm's procedure over the table rejects that the ratio is 1: so identical code is called different with the
same small probability in a table of forty cells as in one of a single cell. Decision 27 has what was simulated.
"""

from collections.abc import Sequence
from typing import Literal

from harness.stats.estimate import Estimate
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
    within = 1 + threshold if threshold >= floor else None
    rejected = holm([pair.p for pair in pairs])
    return [_answer(pair.ratio, bound, differs, within) for pair, differs in zip(pairs, rejected, strict=True)]


def _answer(ratio: Estimate, bound: float, differs: bool, within: float | None) -> Answer:
    if ratio.interval is None:
        return "undetermined"
    low, high = ratio.interval.low, ratio.interval.high
    if low > bound and differs:
        return "slower"
    if high < 1 / bound and differs:
        return "faster"
    if within is not None and low >= 1 / within and high <= within:
        return "within"
    return "undetermined"
