from collections.abc import Callable

import numpy as np
import pytest

from harness.stats import spread
from harness.stats.rounds import Array

RUNS = 4000

Draw = Callable[[np.random.Generator, int], Array]


def alarms(test: Callable[[list[float]], bool], draw: Draw, count: int, runs: int = RUNS, seed: int = 1) -> float:
    """How often `test` raises its flag on `count` replicates whose logarithms `draw` gives, in units of 3 %."""
    rng = np.random.default_rng(seed)
    return sum(test(np.exp(0.03 * draw(rng, count)).tolist()) for _ in range(runs)) / runs


def test_between_is_the_spread_that_the_interval_rests_on() -> None:
    assert spread.between(list(np.exp([1.0, 2.0, 3.0]))) == pytest.approx(1.0)
    assert spread.between([5.0]) is None


@pytest.mark.parametrize("count", [6, 8, 10, 15, 20])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, count: rng.normal(size=count),
        lambda rng, count: rng.standard_t(3, count),
        lambda rng, count: rng.exponential(size=count),
        lambda rng, count: rng.random(count) * 4,
        lambda rng, count: np.linspace(0, 3, count) + 0.3 * rng.normal(size=count),
    ],
    ids=["normal", "heavy-tailed", "skewed", "uniform", "drifting"],
)
def test_one_crowd_is_rarely_called_two(draw: Draw, count: int) -> None:
    assert alarms(spread.is_bimodal, draw, count) <= 0.05 + 0.011  # the margin: three standard errors


@pytest.mark.parametrize(("count", "found"), [(6, 0.6), (10, 0.9), (20, 0.99)])
def test_two_levels_ten_spreads_apart_are_found(count: int, found: float) -> None:
    def two(rng: np.random.Generator, count: int) -> Array:
        return rng.normal(size=count) + 10 * rng.integers(0, 2, count)

    assert alarms(spread.is_bimodal, two, count) >= found


@pytest.mark.parametrize("count", sorted(spread.TWO_LEVELS))
def test_the_table_of_limits_is_what_simulation_gives(count: int) -> None:
    rng = np.random.default_rng(4)
    drawn = np.exp(rng.random((20_000, count)))
    explained = [spread._division(one.tolist())[0] for one in drawn[:: 20_000 // RUNS]]
    assert np.quantile(explained, 0.95) == pytest.approx(spread.TWO_LEVELS[count], abs=0.006)


def test_levels_less_than_1_percent_apart_are_one() -> None:
    assert spread.is_bimodal([100.0, 100.01, 100.02, 102.0, 102.01, 102.02])
    assert not spread.is_bimodal([100.0, 100.01, 100.02, 100.5, 100.51, 100.52])


def test_of_five_replicates_nothing_is_said() -> None:
    assert not spread.is_bimodal([100.0, 100.01, 110.0, 110.01, 110.02])
    assert not spread.has_outlier([100.0, 100.01, 100.02, 100.03, 200.0])


@pytest.mark.parametrize("count", [6, 10, 20])
def test_an_outlier_is_seen_in_1_percent_of_normal_samples(count: int) -> None:
    assert alarms(spread.has_outlier, lambda rng, n: rng.normal(size=n), count) == pytest.approx(0.01, abs=0.005)


def test_equal_replicates_have_none() -> None:
    assert not spread.has_outlier([100.0] * 6)
    assert not spread.is_bimodal([100.0] * 6)
