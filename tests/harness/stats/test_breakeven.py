import dataclasses
import statistics

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.stats import breakeven, estimate
from harness.stats.breakeven import NEVER, BreakEven
from harness.stats.estimate import Cost, Interval
from tests.harness.stats.test_estimate import RUNS, there


def broken_even(mode: dict[int, Cost], baseline: dict[int, Cost]) -> BreakEven:
    found = breakeven.break_even(mode, baseline)
    assert isinstance(found, BreakEven)
    return found


class TestSaving:
    def test_is_paired_by_block(self) -> None:
        mode = {1: Cost(first_ns=0, step_ns=80), 2: Cost(first_ns=0, step_ns=60), 3: Cost(first_ns=0, step_ns=1)}
        baseline = {1: Cost(first_ns=0, step_ns=100), 2: Cost(first_ns=0, step_ns=100)}
        saving = there(breakeven.saving(mode, baseline))
        assert (saving.value, saving.count) == (30, 2)
        assert breakeven.saving(mode, {}) is None


class TestBreakEvenOfOne:
    SAVING = estimate.Estimate(value=20.0, interval=Interval(low=15.0, high=25.0), count=6)

    def test_divides_and_has_no_interval(self) -> None:
        assert breakeven.break_even_of_one(1000.0, self.SAVING) == BreakEven(steps=50.0, interval=None)

    def test_is_at_once_when_the_first_step_is_no_dearer(self) -> None:
        assert breakeven.break_even_of_one(-1.0, self.SAVING) == BreakEven(steps=0.0, interval=None)

    def test_is_never_when_the_saving_is_not_told_from_zero(self) -> None:
        assert (
            breakeven.break_even_of_one(1.0, dataclasses.replace(self.SAVING, interval=Interval(low=0.0, high=40.0)))
            == NEVER
        )

    def test_is_unknown_when_the_saving_has_no_interval(self) -> None:
        assert breakeven.break_even_of_one(1.0, dataclasses.replace(self.SAVING, interval=None)) is None


class TestBreakEven:
    EAGER = Cost(first_ns=4_000_000, step_ns=100_000)

    def test_of_known_numbers_by_hand(self) -> None:
        # compile costs 6 s - 4 ms more and saves 20 µs a step in both blocks: 5 996 000 000 / 20 000
        compiled = Cost(first_ns=6_000_000_000, step_ns=80_000)
        found = broken_even({1: compiled, 2: compiled}, {1: self.EAGER, 2: self.EAGER})
        assert found.steps == pytest.approx(299_800)
        assert there(found.interval).low == pytest.approx(299_800)
        assert there(found.interval).high == pytest.approx(299_800)

    def test_is_never_for_a_mode_that_is_slower(self) -> None:
        slower = Cost(first_ns=6_000_000_000, step_ns=120_000)
        assert breakeven.break_even({1: slower, 2: slower}, {1: self.EAGER, 2: self.EAGER}) == NEVER

    def test_is_never_when_the_interval_of_the_saving_includes_zero(self) -> None:
        mode = {block: Cost(first_ns=1e9, step_ns=100_000 + noise) for block, noise in ((1, -900), (2, 600), (3, -600))}
        saving = [100_000 - cost.step_ns for cost in mode.values()]
        interval = scipy_stats.ttest_1samp(saving, 0).confidence_interval(1 - 0.035)
        assert statistics.fmean(saving) > 0
        assert interval.low < 0
        assert breakeven.break_even(mode, dict.fromkeys(mode, self.EAGER)) == NEVER

    def test_exists_exactly_when_the_interval_of_the_saving_leaves_out_zero(self) -> None:
        rng = np.random.default_rng(13)
        seen = set()
        for _ in range(300):
            saving = rng.normal(1000, 1000, 6)
            mode = {b: Cost(first_ns=1e9, step_ns=100_000 - s) for b, s in enumerate(saving)}
            low = scipy_stats.ttest_1samp(saving, 0).confidence_interval(1 - 0.035).low
            found = breakeven.break_even(mode, dict.fromkeys(mode, self.EAGER))
            assert (found != NEVER) == (low > 0)
            seen.add(found == NEVER)
        assert seen == {True, False}

    def test_is_at_once_for_a_mode_whose_first_step_is_cheaper_too(self) -> None:
        better = Cost(first_ns=1_000_000, step_ns=80_000)
        assert broken_even({1: better, 2: better}, {1: self.EAGER, 2: self.EAGER}).steps == 0

    def test_is_absent_with_one_block(self) -> None:
        assert breakeven.break_even({1: self.EAGER}, {1: self.EAGER}) is None

    def test_interval_covers_the_truth_though_a_slow_block_raises_both_costs(self) -> None:
        rng = np.random.default_rng(14)
        covered = 0
        for _ in range(RUNS):
            slow = rng.lognormal(0, 0.1, 6)  # drift makes Δ first step and saving rise together
            own = rng.normal(1, 0.01, (6, 4))
            mode = {b: Cost(first_ns=1e9 * slow[b] * own[b, 0], step_ns=8e4 * slow[b] * own[b, 1]) for b in range(6)}
            eager = {b: Cost(first_ns=4e6 * slow[b] * own[b, 2], step_ns=1e5 * slow[b] * own[b, 3]) for b in range(6)}
            found = breakeven.break_even(mode, eager)
            covered += isinstance(found, BreakEven) and there(found.interval).holds((1e9 - 4e6) / 2e4)
        assert 0.93 <= covered / RUNS <= 0.97 + 0.003
