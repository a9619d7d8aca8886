"""Quantiles and tail probabilities of the distributions that the statistics use.

SciPy has them all in `scipy.special`, whose import takes longer than a report of fifty cells otherwise does (decision
35). So they are here, from their published series, and the tests hold them to SciPy's.
"""

import functools
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Final

MOST_STEPS: Final = 100  # of a search; six are enough for a smooth function
TOLERANCE: Final = 2e-12
MOST_TERMS: Final = 100_000  # of a fraction; some tens are enough below a thousand degrees of freedom
SMALLEST: Final = 1e-300  # instead of a zero, by which nothing can be divided
LARGE: Final = 12.0  # from here on the series of ψ are exact to the last digits
BERNOULLI: Final = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)  # B₂, B₄, …


@functools.lru_cache(maxsize=1 << 12)
def student_quantile(probability: float, *, freedom: float) -> float:
    """Return the quantile of Student's t distribution with `freedom` degrees of freedom; 0 < `probability` < 1."""
    if probability == 0.5:
        return 0.0
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom=freedom)
    both_tails = 2 * (1 - probability)

    def beyond(log_t: float) -> float:
        share = student_two_sided_p(math.exp(log_t), freedom=freedom)
        return math.log(max(share, SMALLEST) / both_tails)

    low, high = -1.0, 1.0
    while beyond(low) < 0:
        low *= 2
    while beyond(high) > 0:
        high *= 2
    return math.exp(root(beyond, low, high))


def student_two_sided_p(t: float, *, freedom: float) -> float:
    """Return the probability of a value at least as far from 0 as `t`, with `freedom` degrees of freedom."""
    square = t * t
    return _beta_share(freedom / (freedom + square), square / (freedom + square), freedom / 2, 0.5)


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(probability)


def f_upper_p(ratio: float, *, freedom: tuple[float, float]) -> float:
    """Return the probability of a larger value of Fisher's F with these degrees of freedom, above and below."""
    above, below = freedom
    whole = below + above * ratio
    return _beta_share(below / whole, above * ratio / whole, below / 2, above / 2)


def digamma(x: float) -> float:
    """Return the derivative of the logarithm of the gamma function at `x` > 0.

    ψ(x) = ψ(x + 1) - 1 / x, and for large x the series of NIST's Digital Library of Mathematical Functions, 5.11.2.
    """
    found = 0.0
    while x < LARGE:
        found -= 1 / x
        x += 1
    series = math.fsum(number / (2 * k * x ** (2 * k)) for k, number in enumerate(BERNOULLI, 1))
    return found + math.log(x) - 1 / (2 * x) - series


def trigamma(x: float) -> float:
    """Return the second derivative of the logarithm of the gamma function at `x` > 0: that of `digamma`."""
    found = 0.0
    while x < LARGE:
        found += 1 / (x * x)
        x += 1
    series = math.fsum(number / x ** (2 * k + 1) for k, number in enumerate(BERNOULLI, 1))
    return found + 1 / x + 1 / (2 * x * x) + series


def _beta_share(x: float, rest: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b); `rest` is 1 - x, with all its digits.

    By its continued fraction (Digital Library of Mathematical Functions, 8.17.22), on the side where that converges
    fast.
    """
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(rest, x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(log_front) / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 / (1 + d₁ / (1 + d₂ / (1 + …))) by Lentz's method (1976, Appl. Opt. 15)."""
    ratio, inverse = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    found = inverse
    for m in range(1, MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            inverse = 1 / (1 + term * inverse or SMALLEST)
            ratio = 1 + term / ratio or SMALLEST
            found *= ratio * inverse
        if abs(ratio * inverse - 1) < 4e-16:
            break
    return found


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where `function`, of opposite signs at `low` and `high`, is zero, to 2e-12.

    The method of Ridders (1979), "A new algorithm for computing a single root of a real continuous function", IEEE
    Trans. Circuits Syst. 26. SciPy's are in a module that takes longer to import than a table takes to print.

    Raises:
        ValueError: the signs are equal.
    """
    ends = {low: function(low), high: function(high)}
    if 0 in ends.values():
        return low if ends[low] == 0 else high
    if (ends[low] > 0) == (ends[high] > 0):
        raise ValueError(f"no change of sign between {low} and {high}")
    found = math.inf
    for _ in range(MOST_STEPS):
        middle = (low + high) / 2
        ends[middle] = function(middle)
        curved = math.sqrt(ends[middle] ** 2 - ends[low] * ends[high])
        step = (middle - low) * math.copysign(1.0, ends[low] - ends[high]) * ends[middle] / curved
        before, found = found, middle + step
        ends[found] = function(found)
        if ends[found] == 0 or abs(found - before) <= TOLERANCE:
            break
        opposite = [at for at in (middle, low, high) if (ends[at] > 0) != (ends[found] > 0)]
        low, high = found, opposite[0]
    return found
