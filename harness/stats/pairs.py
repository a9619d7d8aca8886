"""Which of two is faster: ratios paired by block, and what may be said of a whole table of them.

Four things have to agree before anything is called faster or slower:

    interval    of the mean log ratio over the blocks, Student's t: it lies wholly outside ±floor
    floor       1 %, or what the session cannot tell apart when it measures one cell under two labels (`noise_floor`)
    Holm        the pair is among what Holm's procedure rejects over the table that it is printed in: of forty pairs one
                or two would be wrong by chance (Holm 1979, "A simple sequentially rejective multiple test procedure",
                Scand. J. Statist. 6)
    sign flips  drawing the signs of the log ratios at random, as they would fall were both the same, gives a mean so
                far from zero as rarely as α (Fisher's randomisation test): it needs no normal distribution
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.stats.estimate import ALPHA, FEW_BLOCKS, VERDICT_FLOOR, Estimate, Verdict, estimate, verdict

EXACT_BLOCKS: Final = 12  # up to here all flips of signs are tried: 2¹²
SAMPLED_FLIPS: Final = 1 << 12  # beyond, so many, drawn once with a fixed seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two cells, or one cell in two runs, compared block by block."""

    ratio: Estimate  # a / b
    p: float  # of the paired t test that the ratio is 1
    p_flips: float  # of the same by flipping signs

    @property
    def told_apart(self) -> bool:
        """Whether flipping signs agrees that the ratio is not 1."""
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
    return float(2 * special.stdtr(len(logs) - 1, -abs(t)))


def sign_flip_test(logs: Sequence[float]) -> float:
    """Return the share of all flips of signs that leave the sum of `logs` as far from 0 or farther.

    Of more than 12 values a fixed sample of the flips is taken, and the values as they are count among them.
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
    """Return what may be said of `a` in each pair of one printed table; `floor` is at least 1 %.

    Of fewer than six blocks nothing is said.
    """
    rejected = holm([one.p for one in pairs])
    return [
        _said(one, is_rejected, max(floor, VERDICT_FLOOR)) for one, is_rejected in zip(pairs, rejected, strict=True)
    ]


def _said(one: Pair, is_rejected: bool, floor: float) -> Verdict:
    if one.ratio.count < FEW_BLOCKS:
        return "undetermined"
    said = verdict(one.ratio, floor)
    if said in ("faster", "slower") and not (is_rejected and one.told_apart):
        return "undetermined"
    return said
