"""Answers by a threshold: what each requires, and how often simulated ones are wrong."""

import pytest

from harness.stats.estimate import Estimate, Interval
from harness.stats.pairs import Pair
from harness.stats.threshold import answers
from tests.harness.stats.measure_threshold import told


def pair(low: float, high: float, p: float = 0.0) -> Pair:
    interval = Interval(low=low, high=high)
    return Pair(ratio=Estimate(value=(low * high) ** 0.5, interval=interval, count=3), p=p, p_flips=0.25)


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (1.101, 1.2, "slower"),
        (1.099, 1.2, "undetermined"),
        (0.8, 0.909, "faster"),
        (0.8, 0.91, "undetermined"),
        (0.91, 1.099, "within"),
        (0.9, 1.0, "undetermined"),
    ],
)
def test_the_whole_interval_decides(low: float, high: float, answer: str) -> None:
    assert answers([pair(low, high)], threshold=0.1, floor=0.01) == [answer]


def test_a_noise_floor_above_the_threshold_replaces_it_and_nothing_is_within() -> None:
    pairs = [pair(1.31, 1.4), pair(1.2, 1.25), pair(0.99, 1.01), pair(0.7, 0.76)]
    assert answers(pairs, threshold=0.1, floor=0.3) == ["slower", "undetermined", "undetermined", "faster"]


def test_without_an_interval_nothing_is_told() -> None:
    assert answers([Pair(ratio=Estimate(value=9.0, interval=None, count=1), p=1, p_flips=1)], 0.1, 0.01) == [
        "undetermined"
    ]


def test_slower_needs_holm_over_the_table() -> None:
    alone = [pair(1.101, 1.2, p=0.02)]
    assert answers(alone, 0.1, 0.01) == ["slower"]
    assert answers([*alone, pair(0.99, 1.01, p=0.5)], 0.1, 0.01) == ["undetermined", "within"]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("cells", [1, 4, 13])
def test_identical_code_is_called_different_in_few_tables(cells: int, paired: bool) -> None:
    for threshold in (0.01, 0.1):
        for blocks in (2, 3, 6):
            same = told(cells, blocks, 0.015, planted=0, threshold=threshold, paired=paired, tables=150)
            assert same.false <= 0.05
