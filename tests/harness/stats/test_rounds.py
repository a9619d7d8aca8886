import tracemalloc

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.stats import rounds
from harness.stats.rounds import Array, Shape, Shift


def stretches(*levels: tuple[float, int], seed: int = 1) -> Array:
    """One replicate of rounds at these levels, each for so many rounds, with 1 % noise."""
    level = np.concatenate([np.full(count, level) for level, count in levels])
    return (level * np.random.default_rng(seed).normal(1, 0.01, len(level)))[np.newaxis]


class TestSpread:
    def test_of_normal_rounds_is_their_coefficient_of_variation(self) -> None:
        seen = np.random.default_rng(1).normal(100.0, 3.0, (2, 100_000))
        assert rounds.spread(seen) == pytest.approx([0.03, 0.03], rel=0.02)

    def test_is_not_moved_by_a_disturbed_round(self) -> None:
        assert rounds.spread(np.array([[99.0, 100.0, 101.0, 100.0, 9000.0]])) == pytest.approx([0.014826])


class TestLag1:
    def test_by_hand(self) -> None:
        # mean 3, deviations -2 -1 0 1 2: products 2 + 0 + 0 + 2 over squares 4 + 1 + 0 + 1 + 4
        assert rounds.lag1(np.array([[1.0, 2, 3, 4, 5], [7, 7, 7, 7, 7]])) == pytest.approx([0.4, 0])

    def test_of_two_rounds_is_nothing(self) -> None:
        assert rounds.lag1(np.array([[1.0, 2.0]])) == pytest.approx([0])


class TestShifts:
    def test_find_where_and_by_how_much(self) -> None:
        (found,) = rounds.shifts(stretches((100, 12), (105, 18)), 0.01)
        assert isinstance(found, Shift)
        assert found.at == 12
        assert found.by == pytest.approx(0.05, abs=0.01)

    def test_below_1_percent_are_none(self) -> None:
        tiny = np.repeat([100_000.0, 100_500.0], 15) + np.arange(30.0)
        assert rounds.shifts(tiny[np.newaxis], 0.01) == [None]

    def test_ranks_are_scipys(self) -> None:
        tied = np.random.default_rng(2).integers(0, 9, (20, 30)).astype(np.float64)
        assert np.array_equal(rounds._midranks(tied), scipy_stats.rankdata(tied, axis=1))

    def test_of_three_rounds_nobody_knows(self) -> None:
        assert rounds.shifts(np.array([[1.0, 2.0, 3.0]]), 0.5) == [None]

    def test_false_alarms_are_as_rare_as_asked(self) -> None:
        flat = np.random.default_rng(3).normal(100, 3, (4000, 30))
        assert sum(one is not None for one in rounds.shifts(flat, 0.05)) / 4000 <= 0.05


@pytest.mark.parametrize(
    ("levels", "shape"),
    [
        ([(100, 30)], "flat"),
        ([(110, 10), (100, 20)], "warming up"),
        ([(100, 20), (110, 10)], "slowing down"),
        ([(100, 20), (110, 20), (120, 20)], "no steady state"),
    ],
)
def test_shape_of_rounds_at(levels: list[tuple[float, int]], shape: Shape) -> None:
    seen = np.concatenate([stretches(*levels, seed=seed) for seed in range(200)])
    assert rounds.shapes(seen, 0.01).count(shape) / 200 >= 0.9


def test_a_replicate_of_many_short_rounds_needs_little_memory() -> None:
    """A container of the harness has 2 GB; short steps in slices make 16 000 rounds and more."""
    many = np.random.default_rng(1).normal(1, 0.01, (1, 20_000))
    tracemalloc.start()
    assert rounds.shapes(many, 0.01) == ["flat"]
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
