import math
import statistics

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from harness.stats import breakeven, estimate
from harness.stats.breakeven import NEVER, BreakEven, NotTold, Outcome
from harness.stats.estimate import Cost, Estimate, Interval
from tests.harness.stats.test_estimate import RUNS, there

EAGER = Cost(first_ns=4_000_000, step_ns=100_000)


def costs(first_ns: float, *steps_ns: float) -> dict[int, Cost]:
    return {block: Cost(first_ns=first_ns, step_ns=step) for block, step in enumerate(steps_ns, start=1)}


def outcome(mode: dict[int, Cost], baseline: dict[int, Cost]) -> Outcome | None:
    """The break-even of processes that took no turns: the ratio is the quotient."""
    ratios = {block: mode[block].step_ns / baseline[block].step_ns for block in mode}
    return breakeven.break_even(mode, baseline, ratios, estimate.estimate(list(ratios.values())))


def broken_even(mode: dict[int, Cost], baseline: dict[int, Cost]) -> BreakEven:
    found = outcome(mode, baseline)
    assert isinstance(found, BreakEven)
    return found


class TestSaving:
    def test_is_paired_by_block(self) -> None:
        baseline = {1: EAGER, 2: EAGER, 4: EAGER}
        saving = there(breakeven.saving(baseline, {1: 0.8, 2: 0.6, 3: 0.1}))
        assert saving.value == pytest.approx(30_000)
        assert saving.count == 2
        assert breakeven.saving(baseline, {}) is None


class TestBreakEvenOfOne:
    COMPILED = Cost(first_ns=EAGER.first_ns + 1_000_000, step_ns=70_000)

    @staticmethod
    def ratio(low: float, high: float) -> Estimate:
        return Estimate(value=math.sqrt(low * high), interval=Interval(low=low, high=high), count=6)

    def test_divides_and_has_no_interval(self) -> None:
        ratio = Estimate(value=0.8, interval=Interval(low=0.7, high=0.9), count=6)
        found = breakeven.break_even_of_one(self.COMPILED, EAGER, ratio)  # 1 ms ÷ 20 µs a step
        assert isinstance(found, BreakEven)
        assert found.steps == pytest.approx(51)
        assert found.interval is None

    def test_is_at_once_when_the_first_step_is_no_dearer(self) -> None:
        found = breakeven.break_even_of_one(EAGER, EAGER, self.ratio(0.7, 0.9))
        assert found == BreakEven(steps=1.0, interval=None)

    def test_is_never_only_when_the_step_is_told_to_be_no_faster(self) -> None:
        assert breakeven.break_even_of_one(self.COMPILED, EAGER, self.ratio(1.0, 1.2)) == NEVER
        assert isinstance(breakeven.break_even_of_one(self.COMPILED, EAGER, self.ratio(0.99, 1.2)), NotTold)

    def test_is_not_told_without_an_interval(self) -> None:
        one = Estimate(value=0.5, interval=None, count=1)
        found = breakeven.break_even_of_one(self.COMPILED, EAGER, one)
        assert isinstance(found, NotTold)
        assert found.needs == "two blocks or more"


class TestBreakEven:
    def test_of_known_numbers_by_hand(self) -> None:
        # compiling costs 6 s - 4 ms more and saves 20 µs in each step after the first: 1 + 5 996 000 000 / 20 000
        found = broken_even(costs(6e9, 80_000, 80_000), {1: EAGER, 2: EAGER})
        assert found.steps == pytest.approx(299_801)
        assert there(found.interval).low == pytest.approx(299_801)
        assert there(found.interval).high == pytest.approx(299_801)

    def test_is_never_for_a_mode_that_is_slower_or_equal(self) -> None:
        for step in (120_000, 100_000):
            assert outcome(costs(6e9, step, step), {1: EAGER, 2: EAGER}) == NEVER

    def test_is_not_told_while_the_interval_of_the_ratio_includes_1(self) -> None:
        mode = costs(1e9, 99_100, 100_600, 99_400)
        found = outcome(mode, dict.fromkeys(mode, EAGER))
        assert isinstance(found, NotTold)
        assert found.blocks == 3

    def test_a_loop_a_thousand_times_as_fast_has_a_break_even_in_three_noisy_blocks(self) -> None:
        """Judged by the saving in µs it was "never": the baseline's own noise is larger than its mean."""
        slow = {1: 1.0, 2: 3.0, 3: 1.2}
        baseline = {block: Cost(first_ns=4e6 * by, step_ns=1e5 * by) for block, by in slow.items()}
        mode = {block: Cost(first_ns=1e9 * by, step_ns=1e2 * by) for block, by in slow.items()}
        saving = [baseline[block].step_ns - mode[block].step_ns for block in slow]
        assert scipy_stats.ttest_1samp(saving, 0).confidence_interval(1 - 0.035).low < 0
        found = broken_even(mode, baseline)
        assert found.steps == pytest.approx(1 + (1e9 - 4e6) / (1e5 - 1e2))

    def test_more_blocks_are_the_fewest_that_would_tell(self) -> None:
        logs = [-0.04, 0.01, -0.03]
        spread, mean = statistics.stdev(logs), abs(statistics.fmean(logs))
        told = [n for n in range(4, 30) if scipy_stats.t.ppf(1 - 0.035 / 2, n - 1) * spread / math.sqrt(n) < mean]
        found = breakeven.not_told(logs)
        assert found.more == min(told) - 3
        assert found.needs == f"{min(told) - 3} more blocks"

    def test_more_than_twenty_are_not_counted(self) -> None:
        assert breakeven.not_told([-0.5, 0.5, 0.01]).needs == "more than 20 more blocks"

    def test_exists_exactly_when_the_interval_of_the_ratio_lies_below_1(self) -> None:
        rng = np.random.default_rng(13)
        seen = set()
        for _ in range(200):
            mode = costs(1e9, *rng.normal(99_000, 1000, 6))
            logs = np.log([cost.step_ns / EAGER.step_ns for cost in mode.values()])
            interval = scipy_stats.ttest_1samp(logs, 0).confidence_interval(1 - 0.035)
            found = outcome(mode, dict.fromkeys(mode, EAGER))
            assert isinstance(found, BreakEven) == (interval.high < 0)
            assert (found == NEVER) == (interval.low >= 0)
            seen.add(type(found))
        assert seen >= {BreakEven, NotTold}

    def test_interval_is_that_of_scipys_t_test_at_its_ends(self) -> None:
        rng = np.random.default_rng(15)
        baseline = {
            b: Cost(first_ns=4e6 * rng.lognormal(0, 0.1), step_ns=1e5 * rng.lognormal(0, 0.1)) for b in range(4)
        }
        mode = {b: Cost(first_ns=1e9 * rng.lognormal(0, 0.2), step_ns=7e4 * rng.lognormal(0, 0.05)) for b in range(4)}
        found = broken_even(mode, baseline)

        def logs(n: float) -> list[float]:
            total = [(cost.first_ns + (n - 1) * cost.step_ns for cost in (mode[b], baseline[b])) for b in range(4)]
            return [math.log(a / b) for a, b in total]

        def end(name: str) -> float:
            interval = lambda n: getattr(scipy_stats.ttest_1samp(logs(n), 0).confidence_interval(1 - 0.035), name)  # noqa: E731
            return float(optimize.bisect(interval, 10, 1e9, xtol=1e-6, rtol=1e-12))

        assert there(found.interval).low == pytest.approx(end("low"), rel=1e-6)
        assert there(found.interval).high == pytest.approx(end("high"), rel=1e-6)
        assert statistics.fmean(logs(found.steps)) == pytest.approx(0, abs=1e-9)

    def test_is_at_once_for_a_mode_whose_first_step_is_cheaper_too(self) -> None:
        found = broken_even(costs(1_000_000, 80_000, 80_000), {1: EAGER, 2: EAGER})
        assert found == BreakEven(steps=1.0, interval=Interval(low=1.0, high=1.0))

    def test_is_not_told_with_one_block_and_absent_without(self) -> None:
        found = outcome(costs(1e9, 80_000), {1: EAGER})
        assert isinstance(found, NotTold)
        assert found.needs == "two blocks or more"
        assert breakeven.break_even({}, {1: EAGER}, {1: 0.8}, Estimate(value=0.8, interval=None, count=1)) is None

    def test_takes_the_step_from_the_ratio_of_turns_not_from_the_quotient(self) -> None:
        mode = costs(6e9, 40_000, 130_000)  # one was measured while the processor was fast, one while it was slow
        ratios = {1: 0.8, 2: 0.8}
        found = breakeven.break_even(mode, {1: EAGER, 2: EAGER}, ratios, estimate.estimate([0.8, 0.8]))
        assert isinstance(found, BreakEven)
        assert found.steps == pytest.approx(299_801)

    def test_has_no_end_beyond_all_steps(self) -> None:
        """A moderated interval may tell that a step is faster where the plain one of the costs does not."""
        ratio = Estimate(value=0.97, interval=Interval(low=0.95, high=0.99), count=2)
        found = breakeven.break_even(costs(6e9, 96_000, 98_000), {1: EAGER, 2: EAGER}, {1: 0.96, 2: 0.98}, ratio)
        assert isinstance(found, NotTold)
        assert found.more is not None

    def test_interval_covers_the_truth_though_a_slow_block_raises_both_costs(self) -> None:
        rng = np.random.default_rng(14)
        covered, runs = 0, RUNS // 4
        for _ in range(runs):
            slow = rng.lognormal(0, 0.3, 6)
            own = rng.lognormal(0, 0.01, (6, 4))
            mode = {b: Cost(first_ns=1e9 * slow[b] * own[b, 0], step_ns=8e4 * slow[b] * own[b, 1]) for b in range(6)}
            eager = {b: Cost(first_ns=4e6 * slow[b] * own[b, 2], step_ns=1e5 * slow[b] * own[b, 3]) for b in range(6)}
            found = outcome(mode, eager)
            covered += isinstance(found, BreakEven) and there(found.interval).holds(1 + (1e9 - 4e6) / 2e4)
        assert 0.94 <= covered / runs <= 0.985
