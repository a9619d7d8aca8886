"""Ratio of two independent samples: Welch's t interval on logarithms."""

import math
import statistics
from collections.abc import Sequence

from harness.stats.distributions import student_quantile, student_two_sided_p
from harness.stats.estimate import ALPHA, Estimate, Interval, estimate
from harness.stats.moderated import Prior
from harness.stats.pairs import Pair


def unpaired(a: Sequence[float], b: Sequence[float], prior: Prior | None = None) -> Pair:
    """Compare independent positive values: the ratio a / b of their geometric means with Welch's interval and test.

    Args:
        a: one value for each replicate.
        b: the same of the other sample.
        prior: moderates the variance of each sample; None: each has its own alone.

    Raises:
        ValueError: either is empty.
    """
    logs = [[math.log(value) for value in values] for values in (a, b)]
    ratio = estimate(a).value / estimate(b).value
    count = min(len(a), len(b))
    if count < 2:
        return Pair(ratio=Estimate(value=ratio, interval=None, count=count), p=1.0, p_flips=1.0)
    spreads = [_variance(values, prior) for values in logs]
    of_mean = [variance / len(values) for (variance, _), values in zip(spreads, logs, strict=True)]
    error = math.sqrt(sum(of_mean))
    if error == 0:
        p = 0.0 if ratio != 1 else 1.0
        exact = Estimate(value=ratio, interval=Interval(low=ratio, high=ratio), count=count)
        return Pair(ratio=exact, p=p, p_flips=p)
    freedom = sum(of_mean) ** 2 / sum(variance**2 / own for variance, (_, own) in zip(of_mean, spreads, strict=True))
    half = student_quantile(1 - ALPHA / 2, freedom=freedom) * error
    p = student_two_sided_p(math.log(ratio) / error, freedom=freedom)
    interval = Interval(low=ratio * math.exp(-half), high=ratio * math.exp(half))
    estimated = Estimate(value=ratio, interval=interval, count=count)
    return Pair(ratio=estimated, p=p, p_flips=p)


def _variance(logs: Sequence[float], prior: Prior | None) -> tuple[float, float]:
    """Return the variance of a sample of logarithms, moderated where the prior explains it, and its freedom."""
    own, freedom = statistics.variance(logs), len(logs) - 1
    if prior is None or prior.is_unusual(own, freedom):
        return own, freedom
    return prior.moderated(own, freedom)
