"""The root finder, against SciPy's."""

import math
from collections.abc import Callable

import pytest
from scipy import optimize

from harness.stats.distributions import root


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
