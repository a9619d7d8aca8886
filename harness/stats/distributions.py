"""Quantiles and tail probabilities of the distributions that the statistics use.

SciPy is imported at the first call and not with this module: the command line imports the statistics when it starts,
and importing SciPy takes longer than everything else that it does then.
"""

import math
from collections.abc import Callable
from typing import Final

MOST_STEPS: Final = 100  # of a search; six are enough for a smooth function
TOLERANCE: Final = 2e-12


def student_quantile(probability: float, *, freedom: float) -> float:
    """Return the quantile of Student's t distribution with `freedom` degrees of freedom."""
    from scipy import special

    return float(special.stdtrit(freedom, probability))


def student_two_sided_p(t: float, *, freedom: float) -> float:
    """Return the probability of a value at least as far from 0 as `t`, with `freedom` degrees of freedom."""
    from scipy import special

    return float(2 * special.stdtr(freedom, -abs(t)))


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    from scipy import special

    return float(special.ndtri(probability))


def f_upper_p(ratio: float, *, freedom: tuple[float, float]) -> float:
    """Return the probability of a larger value of Fisher's F with these degrees of freedom, above and below."""
    from scipy import special

    return float(special.fdtrc(*freedom, ratio))


def digamma(x: float) -> float:
    """Return the derivative of the logarithm of the gamma function."""
    from scipy import special

    return float(special.psi(x))


def trigamma(x: float) -> float:
    """Return the second derivative of the logarithm of the gamma function."""
    from scipy import special

    return float(special.polygamma(1, x))


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
