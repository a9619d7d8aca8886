"""Ratio of two independent samples: Welch's t interval on logarithms."""

import math
import statistics
from collections.abc import Sequence

from scipy import special

from harness.stats import estimate
from harness.stats.estimate import ALPHA, Estimate, Interval
from harness.stats.pairs import Pair


def unpaired(a: Sequence[float], b: Sequence[float]) -> Pair:
    """Compare independent positive values: the ratio a / b of their geometric means with Welch's interval and test.

    Raises:
        ValueError: either is empty.
    """
    logs = [[math.log(value) for value in values] for values in (a, b)]
    ratio = estimate.estimate(a).value / estimate.estimate(b).value
    count = min(len(a), len(b))
    if count < 2:
        return Pair(ratio=Estimate(value=ratio, interval=None, count=count), p=1.0, p_flips=1.0)
    of_mean = [statistics.variance(values) / len(values) for values in logs]
    error = math.sqrt(sum(of_mean))
    if error == 0:
        p = 0.0 if ratio != 1 else 1.0
        return Pair(ratio=Estimate(value=ratio, interval=Interval(ratio, ratio), count=count), p=p, p_flips=p)
    freedom = sum(of_mean) ** 2 / sum(one**2 / (len(values) - 1) for one, values in zip(of_mean, logs, strict=True))
    half = float(special.stdtrit(freedom, 1 - ALPHA / 2)) * error
    p = float(2 * special.stdtr(freedom, -abs(math.log(ratio)) / error))
    interval = Interval(ratio * math.exp(-half), ratio * math.exp(half))
    return Pair(ratio=Estimate(value=ratio, interval=interval, count=count), p=p, p_flips=p)
