"""Distributions, special functions and the root finder, against SciPy's."""

import math
from collections.abc import Callable

import pytest
from scipy import optimize, special, stats

from harness.stats.distributions import (
    digamma,
    f_upper_p,
    normal_quantile,
    root,
    student_quantile,
    student_two_sided_p,
    trigamma,
)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (math.cos, 0.0, 3.0),
        (lambda x: x**3, -1.0, 2.0),
        (lambda x: x - 1e-9, -5.0, 1.0),
        (lambda x: math.exp(x) - 1e6, 0.0, 100.0),
        (lambda x: -1.0 if x < 0.3 else 1.0, 0.0, 1.0),
        (lambda x: x, 0.0, 1.0),
        (lambda x: x - 1, 0.0, 1.0),
    ],
)
def test_a_root_is_where_scipy_finds_it(function: Callable[[float], float], low: float, high: float) -> None:
    found = root(function, low, high)
    assert found == pytest.approx(optimize.bisect(function, low, high, xtol=1e-12), abs=1e-9)
    assert root(function, high, low) == pytest.approx(found, abs=1e-9)


def test_without_a_change_of_sign_there_is_no_root() -> None:
    with pytest.raises(ValueError, match="no change of sign"):
        root(math.exp, 0.0, 1.0)


FREEDOMS = (1, 2, 3, 5, 5.5, 9, 30, 200.25, 5_000, 1e6)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_students_distribution_is_scipys(freedom: float) -> None:
    for probability in (0.0005, 0.0175, 0.3, 0.5, 0.9, 0.975, 0.9825, 0.99999):
        expected = stats.t.ppf(probability, freedom)
        assert student_quantile(probability, freedom=freedom) == pytest.approx(expected, rel=1e-8, abs=1e-12)
    for t in (0.0, 1e-9, 0.1, -1.0, 2.5, 13.0, 200.0):
        expected = 2 * stats.t.sf(abs(t), freedom)
        assert student_two_sided_p(t, freedom=freedom) == pytest.approx(expected, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("above", FREEDOMS)
@pytest.mark.parametrize("below", FREEDOMS)
def test_fishers_distribution_is_scipys(above: float, below: float) -> None:
    for ratio in (1e-6, 0.2, 1.0, 1.7, 30.0):
        expected = stats.f.sf(ratio, above, below)
        assert f_upper_p(ratio, freedom=(above, below)) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("x", [1e-6, 0.01, 0.5, 1, 2.5, 11.9, 12, 40, 1e6])
def test_the_derivatives_of_the_gamma_functions_logarithm_are_scipys(x: float) -> None:
    assert digamma(x) == pytest.approx(special.psi(x), rel=1e-13)
    assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-13)


def test_the_normal_quantile_is_scipys() -> None:
    for probability in (1e-12, 0.0175, 0.5, 0.9825):
        assert normal_quantile(probability) == pytest.approx(stats.norm.ppf(probability), rel=1e-12)
