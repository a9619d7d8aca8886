"""Intervals of ratios that rest on few blocks: the variance of each, moderated by those of the others in its table.

Two blocks give one degree of freedom, and Student's t is then 18 times the standard error: ±15 % where the blocks agree
within 2 %. The other ratios of the table say how large such variances are. With their prior, a scaled inverse χ² of
variance s₀² and d₀ degrees of freedom, the variance of a ratio with d of its own is

    (d₀ s₀² + d s²) / (d₀ + d),   with d₀ + d degrees of freedom

(Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in microarray
experiments", Stat. Appl. Genet. Mol. Biol. 3). s₀² and d₀ come from the mean and the variance of log s², section 6.2
there. A ratio whose own variance the prior does not explain keeps the wider of both intervals, as in Phipson et al.
2016, "Robust hyperparameter estimation protects against hypervariable genes", Ann. Appl. Stat. 10. Decision 20 has the
coverage that was simulated.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.stats.distributions import (
    digamma,
    f_upper_p,
    root,
    student_quantile,
    student_two_sided_p,
    trigamma,
)
from harness.stats.estimate import ALPHA, Estimate, Interval
from harness.stats.pairs import Pair, paired, sign_flip_test

FEWEST: Final = 5  # ratios that can say how large their variances are
UNUSUAL: Final = 0.1  # a variance that the prior exceeds with a smaller probability is not moderated
LEAST_SHARE: Final = 1e-5  # of the median variance: a smaller one counts as this
LEAST, MOST = 1e-6, 1e6  # where half of d₀ is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What the ratios of a table say about the variance of the logarithm of one, from block to block."""

    variance: float  # s₀²
    freedom: float  # d₀, at most `pooled`
    pooled: int  # degrees of freedom of all ratios together

    def pair(self, ratios: Sequence[float]) -> Pair:
        """Compare by positive `ratios`, one for each of two blocks or more, with a moderated variance."""
        logs = [math.log(ratio) for ratio in ratios]
        mean, own, d = statistics.fmean(logs), statistics.variance(logs), len(logs) - 1
        variance, freedom = self.moderated(own, d)
        error = math.sqrt(variance / len(logs))
        half = student_quantile(1 - ALPHA / 2, freedom=freedom) * error
        p = student_two_sided_p(mean / error, freedom=freedom)
        plain = paired(ratios)
        if self.is_unusual(own, d):
            assert plain.ratio.interval is not None
            half, p = max(half, math.log(plain.ratio.interval.high) - mean), max(p, plain.p)
        interval = Interval(low=math.exp(mean - half), high=math.exp(mean + half))
        ratio = Estimate(value=plain.ratio.value, interval=interval, count=len(logs))
        return Pair(ratio=ratio, p=p, p_flips=sign_flip_test(logs))

    def moderated(self, own: float, freedom: int) -> tuple[float, float]:
        """Return the moderated variance of one that is `own` with so many degrees of freedom, and its own freedom."""
        variance = (self.freedom * self.variance + freedom * own) / (self.freedom + freedom)
        return variance, min(self.freedom + freedom, self.pooled)

    def is_unusual(self, own: float, freedom: int) -> bool:
        """Return whether the prior does not explain a variance as large as `own`."""
        return f_upper_p(own / self.variance, freedom=(freedom, self.freedom)) < UNUSUAL


def prior(table: Iterable[Sequence[float]]) -> Prior | None:
    """Return the prior from all ratios of a table, each as one positive value a block.

    None where fewer than five of them have two blocks, or half of these do not vary at all.
    """
    spreads = [(statistics.variance(map(math.log, ratios)), len(ratios) - 1) for ratios in table if len(ratios) > 1]
    middle = statistics.median(variance for variance, _ in spreads) if spreads else 0.0
    if len(spreads) < FEWEST or middle == 0:
        return None
    centred = [
        math.log(max(variance, LEAST_SHARE * middle)) - digamma(d / 2) + math.log(d / 2) for variance, d in spreads
    ]
    mean = statistics.fmean(centred)
    excess = statistics.variance(centred) - statistics.fmean(trigamma(d / 2) for _, d in spreads)
    pooled = sum(d for _, d in spreads)
    half = _trigamma_inverse(excess)
    return Prior(
        variance=math.exp(mean + digamma(half) - math.log(half)),
        freedom=min(2 * half, pooled),
        pooled=pooled,
    )


def _trigamma_inverse(value: float) -> float:
    """Return where the trigamma function is `value`; `MOST`, as good as infinite, where it is not that small."""
    if value <= trigamma(MOST):
        return MOST
    return math.exp(root(lambda x: trigamma(math.exp(x)) - value, math.log(LEAST), math.log(MOST)))
