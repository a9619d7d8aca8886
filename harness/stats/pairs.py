"""Which of two is faster: ratios paired by block, and the verdicts of a whole table of them.

Four things have to agree before anything is called faster or slower:

    interval    of the mean log ratio over the blocks, Student's t: it lies wholly outside ±floor
    floor       the noise floor: 1 %, or the difference that the session's A/A control showed (`noise_floor`)
    Holm        Holm's procedure rejects the pair, over all pairs of the printed table: without it one or two of forty
                would be wrong by chance (Holm 1979, "A simple sequentially rejective multiple test procedure",
                Scand. J. Statist. 6)
    sign flips  random signs of the log ratios, as if both were the same, give a mean so far from zero with a
                probability of at most α (Fisher's randomisation test, which needs no normal distribution)
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness.stats.distributions import student_two_sided_p
from harness.stats.estimate import ALPHA, FEW_BLOCKS, VERDICT_FLOOR, Estimate, Verdict, estimate, verdict

EXACT_BLOCKS: Final = 12  # up to here all flips of signs are tried: 2¹²
SAMPLED_FLIPS: Final = 1 << 12  # of more blocks so many are tried, drawn once with a fixed seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two cells, or one cell in two runs, compared block by block."""

    ratio: Estimate  # a / b
    p: float  # of the paired t test that the ratio is 1
    p_flips: float  # of the same by flipping signs

    @property
    def is_apart(self) -> bool:
        """Whether the test by flipping signs agrees that the ratio is not 1."""
        return self.p_flips <= ALPHA


def pair(a: Mapping[int, float], b: Mapping[int, float]) -> Pair | None:
    """Compare positive `a` with `b` in the blocks that both have, the keys; None when they share none."""
    shared = sorted(a.keys() & b.keys())
    return paired([a[block] / b[block] for block in shared]) if shared else None


def paired(ratios: Sequence[float]) -> Pair:
    """Compare by positive `ratios`, one for each block; raises ValueError when there is none."""
    logs = [math.log(ratio) for ratio in ratios]
    return Pair(ratio=estimate(ratios), p=t_test(logs), p_flips=sign_flip_test(logs))


def t_test(logs: Sequence[float]) -> float:
    """Return the two-sided p of Student's test that the mean of `logs` is 0; 1 with fewer than two."""
    if len(logs) < 2:
        return 1.0
    spread = statistics.stdev(logs)
    if spread == 0:
        return 0.0 if logs[0] else 1.0
    t = statistics.fmean(logs) / (spread / math.sqrt(len(logs)))
    return student_two_sided_p(t, freedom=len(logs) - 1)


def sign_flip_test(logs: Sequence[float]) -> float:
    """Return the share of all flips of signs that leave the sum of `logs` as far from 0 or farther.

    For more than 12 values a fixed sample of the flips is taken; the unflipped values are one of them.
    """
    if not logs:
        return 1.0
    sums = np.abs(_flips(len(logs)) @ np.asarray(logs))
    least = abs(math.fsum(logs)) * (1 - 1e-9)  # sums of the same numbers differ in the last digit
    return float(np.mean(sums >= least))


@functools.cache
def _flips(count: int) -> NDArray[np.float64]:
    """Return signs, shape (flips, count): all, or a seeded sample of which the first row flips nothing."""
    if count <= EXACT_BLOCKS:
        bits = np.arange(1 << count)[:, np.newaxis] >> np.arange(count) & 1
    else:
        bits = np.random.default_rng(count).integers(0, 2, (SAMPLED_FLIPS, count))
        bits[0] = 0
    return np.where(bits, -1.0, 1.0)


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Return which hypotheses Holm's procedure rejects at the family-wise level `alpha`."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def verdicts(pairs: Sequence[Pair], floor: float = VERDICT_FLOOR) -> list[Verdict]:
    """Return the verdict on `a` in each pair of one printed table; a noise floor below 1 % counts as 1 %.

    With fewer than six blocks it is undetermined.
    """
    rejected = holm([pair.p for pair in pairs])
    return [
        _verdict(pair, is_rejected, max(floor, VERDICT_FLOOR))
        for pair, is_rejected in zip(pairs, rejected, strict=True)
    ]


def _verdict(pair: Pair, is_rejected: bool, floor: float) -> Verdict:
    if pair.ratio.count < FEW_BLOCKS:
        return "undetermined"
    by_interval = verdict(pair.ratio, floor)
    if by_interval in ("faster", "slower") and not (is_rejected and pair.is_apart):
        return "undetermined"
    return by_interval
