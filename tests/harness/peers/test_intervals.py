"""Half-widths of a ratio, against SciPy's tests and worked examples."""

import math
import random
import statistics

import pytest
from scipy import stats

from harness.peers import intervals


def draws(mean: float, deviation: float, count: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(mean, deviation) for _ in range(count)]


@pytest.mark.parametrize("equal", [True, False])
def test_the_interval_ends_where_the_t_test_begins_to_call_the_two_different(equal: bool) -> None:
    half_width = intervals.pooled_half_width if equal else intervals.welch_half_width
    a, b = draws(1.0, 0.02, 20, 1), draws(1.1, 0.05, 12, 2)
    edge = half_width(a, b) * statistics.fmean(a)
    shift = statistics.fmean(b) - statistics.fmean(a) - edge
    at_the_edge = [value - shift for value in b]  # now the means are just `edge` apart
    assert stats.ttest_ind(a, at_the_edge, equal_var=equal).pvalue == pytest.approx(0.05, rel=1e-6)


def test_of_the_same_number_again_and_again_it_is_zero() -> None:
    assert intervals.welch_half_width([2.0, 2.0], [3.0, 3.0]) == 0.0


def test_torchs_is_of_the_values_between_the_quartiles() -> None:
    values = [1.0, 1.9, 2.0, 2.1, 100.0]  # 1.9, 2.0, 2.1 are between
    middle = statistics.pstdev([1.9, 2.0, 2.1])
    one = 1.645 * middle / math.sqrt(3) / 2.0
    assert intervals.torch_half_width(values, values) == pytest.approx(math.hypot(one, one))


def test_torchs_is_never_below_25_ns() -> None:
    assert intervals.torch_half_width([1e-6] * 9, [1e-3] * 9) == pytest.approx(0.025, rel=1e-3)


def test_hyperfines_deviation_is_that_of_a_quotient() -> None:
    a, b = [9.0, 10.0, 11.0], [19.0, 20.0, 21.0]
    assert intervals.quotient_deviation(a, b) == pytest.approx(math.hypot(0.1, 0.05))
