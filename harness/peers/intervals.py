"""How far off a ratio of two times may be, by the rule of the tool that measured it.

A half-width is relative: 0.03 for ±3 %.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Final

from harness.stats.distributions import student_quantile

CONFIDENCE: Final = 0.95
TORCH_Z: Final = 1.645  # from `Measurement.significant_figures` in torch/utils/benchmark/utils/common.py
TORCH_LEAST_S: Final = 25e-9


def pooled_half_width(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the half-width of mean(b) / mean(a) by Student's t test with a pooled variance, as in pyperf.

    `pyperf compare_to` calls two benchmarks different when the difference of their means lies outside this interval.

    Raises:
        ValueError: fewer than two values of one of them.
    """
    freedom = len(a) + len(b) - 2
    variance = ((len(a) - 1) * statistics.variance(a) + (len(b) - 1) * statistics.variance(b)) / freedom
    error = math.sqrt(variance * (1 / len(a) + 1 / len(b)))
    return _t(freedom) * error / statistics.fmean(a)


def welch_half_width(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the half-width of mean(b) / mean(a) by Welch's t test, as in hyperfine's scripts/welch_ttest.py.

    Raises:
        ValueError: fewer than two values of one of them.
    """
    errors = [statistics.variance(each) / len(each) for each in (a, b)]
    total = math.fsum(errors)
    if total == 0:
        return 0.0
    parts = [error**2 / (len(each) - 1) for error, each in zip(errors, (a, b), strict=True)]
    return _t(total**2 / math.fsum(parts)) * math.sqrt(total) / statistics.fmean(a)


def torch_half_width(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the half-width of median(b) / median(a) by the interval behind torch's significant figures.

    For one median it is 1.645 σ / √n of the values between the quartiles, and 25 ns at least. For the ratio the two
    relative half-widths are added in quadrature.
    """
    return math.hypot(*(_torch_interval(each) / statistics.median(each) for each in (a, b)))


def _torch_interval(values: Sequence[float]) -> float:
    count = len(values)
    middle = sorted(values)[count // 4 : math.ceil(3 * count / 4)]
    return max(TORCH_Z * statistics.pstdev(middle) / math.sqrt(len(middle)), TORCH_LEAST_S)


def quotient_deviation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the standard deviation that hyperfine prints behind mean(b) / mean(a), relative to that ratio.

    From src/benchmark/relative_speed.rs: the relative deviations of the two, added in quadrature.
    """
    return math.hypot(*(statistics.stdev(each) / statistics.fmean(each) for each in (a, b)))


def _t(freedom: float) -> float:
    return student_quantile((1 + CONFIDENCE) / 2, freedom=freedom)
