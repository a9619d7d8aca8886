"""Ratio of two independent samples: Welch's t interval on logarithms."""

import math
import statistics
from collections.abc import Sequence

from harness.stats.distributions import student_quantile, student_two_sided_p
from harness.stats.estimate import ALPHA, Estimate, Interval, estimate
from harness.stats.pairs import Pair


def unpaired(a: Sequence[float], b: Sequence[float]) -> Pair:
    """Compare independent positive values: the ratio a / b of their geometric means with Welch's interval and test.

    Raises:
        ValueError: either is empty.
    """
    logs = [[math.log(value) for value in values] for values in (a, b)]
    ratio = estimate(a).value / estimate(b).value
    count = min(len(a), len(b))
    if count < 2:
        return Pair(ratio=Estimate(value=ratio, interval=None, count=count), p=1.0, p_flips=1.0)
    of_mean = [statistics.variance(values) / len(values) for values in logs]
    error = math.sqrt(sum(of_mean))
    if error == 0:
        p = 0.0 if ratio != 1 else 1.0
        return Pair(ratio=Estimate(value=ratio, interval=Interval(low=ratio, high=ratio), count=count), p=p, p_flips=p)
    freedom = sum(of_mean) ** 2 / sum(
        variance**2 / (len(values) - 1) for variance, values in zip(of_mean, logs, strict=True)
    )
    half = student_quantile(1 - ALPHA / 2, freedom=freedom) * error
    p = student_two_sided_p(math.log(ratio) / error, freedom=freedom)
    interval = Interval(low=ratio * math.exp(-half), high=ratio * math.exp(half))
    return Pair(ratio=Estimate(value=ratio, interval=interval, count=count), p=p, p_flips=p)
