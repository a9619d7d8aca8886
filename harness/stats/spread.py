"""What the replicates of one cell show in addition to their mean: their spread, an outlier, two levels.

An outlier and a second level are reported, never removed: the next user of the cell may meet both.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np

from harness.stats.distributions import student_quantile

MODES_APART: Final = 0.01  # two levels closer than this are one
OUTLIER_ALPHA: Final = 0.01

# By sample size: the share of the sum of squares that the best division into two explains in at most 95 % of uniform
# samples (simulated in test_spread.py). Of the distributions with one mode the uniform one looks most like two: normal
# and heavy-tailed samples exceed it more rarely, exponential ones as often.
TWO_LEVELS: Final = {
    6: 0.953, 7: 0.939, 8: 0.927, 9: 0.916, 10: 0.907, 11: 0.899, 12: 0.892, 13: 0.886, 14: 0.881, 15: 0.876,
    16: 0.872, 17: 0.868, 18: 0.865, 19: 0.861, 20: 0.858,
}  # fmt: skip


def between(values: Sequence[float]) -> float | None:
    """Return the standard deviation of the logarithms of `values`, one a replicate; None for fewer than two."""
    return statistics.stdev(map(math.log, values)) if len(values) > 1 else None


def is_bimodal(values: Sequence[float]) -> bool:
    """Return whether positive `values` lie around two levels more than 1 % apart rather than around one.

    The best division into two groups of at least two is that of Engelman and Hartigan (1969), "Percentage points of a
    test for clusters", J. Am. Stat. Assoc. 64: the one that explains most of the sum of squares. False for fewer than
    6 values.
    """
    if len(values) < min(TWO_LEVELS):
        return False
    explained, apart = _division(values)
    return apart > MODES_APART and explained > TWO_LEVELS[min(len(values), max(TWO_LEVELS))]


def has_outlier(values: Sequence[float]) -> bool:
    """Return whether the value farthest from the others is too far to be one of them, by Grubbs' test on logarithms.

    Grubbs (1969), "Procedures for detecting outlying observations in samples", Technometrics 11: two-sided, at 1 %.
    False for fewer than 6 values.
    """
    n = len(values)
    if n < min(TWO_LEVELS):
        return False
    logs = np.log(values)
    deviation = float(logs.std(ddof=1))
    t = student_quantile(1 - OUTLIER_ALPHA / (2 * n), freedom=n - 2)
    critical = (n - 1) / math.sqrt(n) * math.sqrt(t * t / (n - 2 + t * t))
    return deviation > 0 and float(np.abs(logs - logs.mean()).max()) > critical * deviation


def _division(values: Sequence[float]) -> tuple[float, float]:
    """Return the share of the sum of squares that the best division explains, and how far apart its means lie."""
    logs = np.sort(np.log(values))
    logs -= logs.mean()
    total = float(logs @ logs)
    if total == 0:
        return 0.0, 0.0
    n = len(logs)
    lower = np.arange(2, n - 1)  # values in the lower group
    sums = np.cumsum(logs)[lower - 1]
    explained = sums**2 * (1 / lower + 1 / (n - lower))
    best = int(explained.argmax())
    apart = -sums[best] * (1 / lower[best] + 1 / (n - lower[best]))
    return float(explained[best]) / total, math.expm1(apart)
