"""Quantiles and tail probabilities of the distributions that the statistics use.

SciPy is imported at the first call and not with this module: the command line imports the statistics when it starts,
and importing SciPy takes longer than everything else that it does then.
"""

from collections.abc import Callable


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
    """Return where `function`, of opposite signs at `low` and `high`, is zero (Brent's method)."""
    from scipy import optimize

    return float(optimize.brentq(function, low, high))
