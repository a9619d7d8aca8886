import math
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.stats import estimate as stats
from harness.stats.estimate import Cost, Interval
from tests.factories import timing

T = TypeVar("T")
RUNS = 4000  # the standard error of a rate near 4 % is then 0.3 points


def there(value: T | None) -> T:
    assert value is not None
    return value


class TestStepTime:
    def test_is_the_round_over_its_steps(self) -> None:
        assert stats.round_step_ns(timing(calls_per_round=4, round_ns=(400, 440))) == (100.0, 110.0)

    def test_of_a_whole_compiled_loop_counts_every_step_of_every_call(self) -> None:
        assert stats.round_step_ns(timing(steps_per_call=200, calls_per_round=2, round_ns=(40_000,))) == (100.0,)

    def test_of_a_trainer_is_the_slope_between_single_and_double_fits_paired_by_index(self) -> None:
        fits = timing(calls_per_round=10, round_ns=(5000, 6000), double_round_ns=(6000, 7500))
        assert stats.round_step_ns(fits) == (100.0, 150.0)

    def test_of_a_replicate_is_the_median_so_one_slow_round_moves_nothing(self) -> None:
        assert stats.step_ns(timing(round_ns=(100, 101, 102, 103, 90_000))) == 102

    def test_is_absent_when_double_fits_take_no_longer(self) -> None:
        assert stats.step_ns(timing(round_ns=(100, 100, 100), double_round_ns=(90, 100, 110))) is None

    def test_is_absent_without_rounds(self) -> None:
        assert stats.step_ns(timing(round_ns=())) is None

    def test_first_step_has_all_calls_until_the_mode_is_steady_less_the_steps_after_the_first(self) -> None:
        captured = timing(first_step_ns=1_000_000, settling_ns=(200, 400_000), round_ns=(100,))
        assert stats.to_steady_ns(captured) == 1_400_200
        assert stats.cost(captured) == Cost(first_ns=1_400_200 - 2 * 100, step_ns=100)
        loop = timing(steps_per_call=200, first_step_ns=1_000_000, settling_ns=(300_000,), round_ns=(20_000,))
        assert stats.cost(loop) == Cost(first_ns=1_300_000 - 399 * 100, step_ns=100)
        assert stats.cost(captured, (7_000, 300)) == Cost(first_ns=7_200, step_ns=100)

    def test_first_step_of_a_compiled_loop_leaves_out_the_loop_s_other_steps(self) -> None:
        loop = timing(steps_per_call=200, calls_per_round=1, first_step_ns=1_000_000, round_ns=(200_000,))
        assert stats.cost(loop) == Cost(first_ns=1_000_000 - 199 * 1000, step_ns=1000)

    def test_of_another_first_call_leaves_them_out_too(self) -> None:
        loop = timing(steps_per_call=200, calls_per_round=1, first_step_ns=1, round_ns=(200_000,))
        assert stats.cost(loop, (1_000_000,)) == Cost(first_ns=1_000_000 - 199 * 1000, step_ns=1000)


class TestFitOverhead:
    def test_is_the_intercept_of_the_line_through_both_lengths(self) -> None:
        # 40 + 10 n: fits of 10 and of 20 steps take 140 and 240
        assert stats.fit_overhead_ns(timing(calls_per_round=10, round_ns=(140,), double_round_ns=(240,))) == 40

    def test_is_the_median_of_the_pairs_and_may_be_below_zero(self) -> None:
        fits = timing(round_ns=(100, 100, 100), double_round_ns=(205, 210, 150))
        assert stats.fit_overhead_ns(fits) == -5

    def test_is_absent_for_what_is_no_trainer(self) -> None:
        assert stats.fit_overhead_ns(timing()) is None


class TestLevel:
    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
    def test_agrees_with_scipy_below_zero_too(self, values: list[float]) -> None:
        level = stats.level(values)
        assert level.value == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
        if np.ptp(values) > 1e-3:
            interval = scipy_stats.ttest_1samp(values, 0).confidence_interval(1 - 0.035)
            assert there(level.interval).low == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
            assert there(level.interval).high == pytest.approx(interval.high, rel=1e-6, abs=1e-6)

    def test_of_one_value_has_no_interval_and_of_none_is_refused(self) -> None:
        assert stats.level([-3.0]) == stats.Estimate(value=-3.0, interval=None, count=1)
        with pytest.raises(ValueError, match="at least one"):
            stats.level([])


class TestThreads:
    def test_used_are_cpu_time_over_wall_time_of_the_same_stretch(self) -> None:
        assert stats.threads_used(timing(process_cpu_ns=187, process_wall_ns=100)) == 1.87

    def test_used_are_unknown_where_either_is(self) -> None:
        assert stats.threads_used(timing(process_cpu_ns=187)) is None
        assert stats.threads_used(timing(process_wall_ns=100)) is None

    def test_a_share_of_the_processor_is_that_of_the_whole_stretch_where_it_was_taken_down(self) -> None:
        assert stats.cpu_share(timing(round_ns=(100,), process_cpu_ns=160, process_wall_ns=200)) == 0.8


class TestLargestDifference:
    def test_is_that_of_the_step_where_they_lie_farthest_apart(self) -> None:
        assert stats.largest_difference([(4.0, 2.0), (4.0, 2.5), (3.75, 2.25)]) == 0.5

    @pytest.mark.parametrize("trajectories", [[], [(1.0,)], [(1.0,), (1.0, 2.0)], [(), ()]])
    def test_is_unknown_of_what_does_not_compare(self, trajectories: list[tuple[float, ...]]) -> None:
        assert stats.largest_difference(trajectories) is None


class TestEstimate:
    def test_of_known_numbers_by_hand(self) -> None:
        # logs of 100 and 400 are ln 200 ± ln 2: mean ln 200, standard error ln 2; t at 1 degree of freedom is
        # tan(π/2 · (1 - α)), since Student's t is then Cauchy's distribution
        t = math.tan(math.pi / 2 * (1 - 0.035))
        estimate = stats.estimate([100, 400])
        assert estimate.value == pytest.approx(200)
        assert there(estimate.interval).low == pytest.approx(200 * 2**-t)
        assert there(estimate.interval).high == pytest.approx(200 * 2**t)
        assert estimate.half_width == pytest.approx(2**t - 1)

    def test_of_one_replicate_has_no_interval(self) -> None:
        estimate = stats.estimate([100])
        assert (estimate.interval, estimate.half_width) == (None, None)
        assert estimate.value == pytest.approx(100)

    def test_of_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            stats.estimate([])

    @given(st.lists(st.floats(1.0, 1e9), min_size=2, max_size=20))
    def test_agrees_with_scipy(self, values: list[float]) -> None:
        logs = np.log(values)
        estimate = stats.estimate(values)
        assert estimate.value == pytest.approx(scipy_stats.gmean(values), rel=1e-9)
        if np.ptp(logs) > 1e-6:  # SciPy warns of lost precision on equal values
            interval = scipy_stats.ttest_1samp(logs, 0).confidence_interval(1 - 0.035)
            assert math.log(there(estimate.interval).low) == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
            assert math.log(there(estimate.interval).high) == pytest.approx(interval.high, rel=1e-6, abs=1e-6)

    @pytest.mark.parametrize("replicates", [3, 6, 10, 20])
    def test_interval_printed_as_95_percent_covers_the_truth_in_93_to_97_percent_of_runs(self, replicates: int) -> None:
        rng = np.random.default_rng(7)
        medians = 100 * np.exp(rng.normal(0, 0.02, (RUNS, replicates)))
        estimates = [stats.estimate(run) for run in medians]
        covered = sum(there(one.interval).holds(100) for one in estimates) / RUNS
        assert 0.93 <= covered <= 0.97 + 0.003  # 96.5 % by design; the margin is the simulation's standard error

    def test_interval_covers_when_a_run_stops_at_the_first_precise_look(self) -> None:
        rng = np.random.default_rng(8)
        covered = 0
        for medians in 100 * np.exp(rng.normal(0, 0.015, (RUNS, 20))):
            for look in (6, 10, 15, 20):
                estimate = stats.estimate(medians[:look])
                if there(estimate.half_width) <= 0.01:
                    break
            covered += there(estimate.interval).holds(100)
        assert 0.93 <= covered / RUNS <= 0.97


class TestRatio:
    def test_of_known_numbers_by_hand(self) -> None:
        ratio = there(stats.ratio({1: 200.0, 2: 800.0}, {1: 100.0, 2: 100.0}))  # ratios 2 and 8: logs ln 4 ± ln 2
        assert ratio.value == pytest.approx(4)
        interval = there(ratio.interval)
        assert interval.high / ratio.value == pytest.approx(ratio.value / interval.low)

    def test_uses_only_blocks_that_both_have(self) -> None:
        ratio = there(stats.ratio({1: 200.0, 2: 1.0, 4: 200.0}, {1: 100.0, 3: 1.0, 4: 100.0}))
        assert ratio.value == pytest.approx(2)
        assert ratio.count == 2

    def test_is_absent_without_a_common_block(self) -> None:
        assert stats.ratio({1: 1.0}, {2: 1.0}) is None

    def test_cancels_what_a_block_does_to_both(self) -> None:
        drifting = {block: 100.0 * 1.5**block for block in range(1, 7)}
        ratio = there(stats.ratio({block: 2 * value for block, value in drifting.items()}, drifting))
        assert there(ratio.interval).low == pytest.approx(2)
        assert there(ratio.interval).high == pytest.approx(2)

    @pytest.mark.parametrize(
        ("low", "high", "said"),
        [(0.9, 0.98, "faster"), (1.02, 1.1, "slower"), (0.995, 1.005, "same"), (0.97, 1.005, "undetermined")],
    )
    def test_verdict_is_where_the_whole_interval_lies(self, low: float, high: float, said: str) -> None:
        assert (
            stats.verdict(stats.Estimate(value=math.sqrt(low * high), interval=Interval(low=low, high=high), count=6))
            == said
        )

    def test_verdict_of_one_block_is_undetermined(self) -> None:
        assert stats.verdict(stats.estimate([0.5])) == "undetermined"

    @pytest.mark.parametrize("blocks", [6, 10])
    def test_identical_code_is_called_different_in_at_most_5_percent_of_pairs(self, blocks: int) -> None:
        rng = np.random.default_rng(9)
        pairs = np.exp(rng.normal(0, 0.02, (RUNS, 2, blocks)))
        wrong = sum(_called_different(a, b) for a, b in pairs) / RUNS
        assert wrong <= 0.05

    @pytest.mark.parametrize("blocks", [6, 10])
    def test_identical_code_under_4_percent_drift_is_still_called_the_same_in_randomised_blocks(
        self, blocks: int
    ) -> None:
        rng = np.random.default_rng(10)
        wrong = 0
        for _ in range(RUNS):
            turns = np.arange(2 * blocks).reshape(blocks, 2)
            turns = rng.permuted(turns, axis=1)  # who goes first is drawn in every block
            times = np.exp(rng.normal(0, 0.01, (blocks, 2))) * (1 + 0.04 * turns / (2 * blocks))
            wrong += _called_different(times[:, 0], times[:, 1])
        assert wrong / RUNS <= 0.05

    def test_all_of_one_then_all_of_the_other_would_be_fooled_by_that_drift(self) -> None:
        # the simulation can fail: without blocks the same drift is taken for a difference nearly every time
        rng = np.random.default_rng(11)
        drift = 1 + 0.04 * np.arange(12) / 12
        times = np.exp(rng.normal(0, 0.005, (200, 12))) * drift
        wrong = sum(_called_different(run[:6], run[6:]) for run in times)
        assert wrong / 200 > 0.9

    def test_3_percent_is_found_at_default_blocks_on_a_quiet_host(self) -> None:
        rng = np.random.default_rng(12)
        found = 0
        for a, b in np.exp(rng.normal(0, 0.005, (RUNS, 2, 6))):
            found += stats.verdict(there(stats.ratio(_blocks(a * 1.03), _blocks(b)))) == "slower"
        assert found / RUNS >= 0.9


def _blocks(values: Iterable[float]) -> dict[int, float]:
    return dict(enumerate(map(float, values), start=1))


def _called_different(a: Iterable[float], b: Iterable[float]) -> bool:
    """Whether the interval of the pair leaves out 1: the test that the 1 % floor then only makes stricter."""
    ratio = there(stats.ratio(_blocks(a), _blocks(b)))
    return not there(ratio.interval).holds(1)
