"""What is called faster, slower or the same, on simulated sessions whose truth is known."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.stats import estimate, pairs
from harness.stats.estimate import Estimate, Interval, Verdict
from harness.stats.pairs import Pair
from harness.stats.rounds import Array
from tests.harness.stats.test_estimate import there

RUNS = 1000  # the standard error of a rate of 4 % is then 0.6 points
LOOKS = (6, 10, 15, 20)


def session(
    rng: np.random.Generator,
    ratios: Sequence[float],
    blocks: int,
    sigma: float,
    drift: float = 0.0,
    *,
    backwards: bool = False,
    in_blocks: bool = True,
) -> Array:
    """Medians of replicates, shape (cells, blocks), of cells whose true times are `ratios`.

    Each process has its own level, spread by `sigma`; the machine slows down by `drift` from the first replicate to the
    last, or gets faster when the whole order is run backwards. Within blocks the order is random.
    """
    cells = len(ratios)
    turns = np.arange(cells * blocks).reshape(blocks, cells)
    turns = rng.permuted(turns, axis=1) if in_blocks else turns.reshape(cells, blocks).T
    if backwards:
        turns = turns.max() - turns
    own = np.exp(rng.normal(0, sigma, (blocks, cells)))
    slowed = 1 + drift * turns / (cells * blocks - 1)
    return (np.array(ratios) * own * slowed).T


def verdicts(medians: Array, floor: float = estimate.VERDICT_FLOOR) -> list[Verdict]:
    """What is said of each cell against the first, all in one table."""
    first, *others = (dict(enumerate(map(float, one), start=1)) for one in medians)
    return pairs.verdicts([there(pairs.pair(other, first)) for other in others], floor)


def rate(said: Callable[[np.random.Generator], Sequence[Verdict]], *wanted: Verdict, runs: int = RUNS) -> float:
    """How often a verdict is one of `wanted`."""
    rng = np.random.default_rng(1)
    told = [verdict for _ in range(runs) for verdict in said(rng)]
    return sum(verdict in wanted for verdict in told) / len(told)


class TestPair:
    def test_p_is_that_of_scipys_paired_t_test(self) -> None:
        a, b = np.random.default_rng(1).lognormal(0, 0.1, (2, 8))
        found = there(pairs.pair(dict(enumerate(a.tolist())), dict(enumerate(b.tolist()))))
        assert found.p == pytest.approx(scipy_stats.ttest_rel(np.log(a), np.log(b)).pvalue)
        assert found.ratio == estimate.estimate((a / b).tolist())

    @pytest.mark.parametrize("blocks", [3, 6, 10, 12])
    def test_sign_flips_are_those_of_scipy(self, blocks: int) -> None:
        logs = np.random.default_rng(blocks).normal(0.01, 0.02, blocks)
        theirs = scipy_stats.permutation_test([logs], _total, permutation_type="samples", n_resamples=9999)
        assert pairs.sign_flip_test(logs.tolist()) == pytest.approx(theirs.pvalue)

    def test_of_many_blocks_a_fixed_sample_of_flips_comes_near_to_all(self) -> None:
        logs = np.random.default_rng(5).normal(0.006, 0.02, 14)
        signs = np.array(list(itertools.product([1, -1], repeat=14)))
        everything = np.mean(np.abs(signs @ logs) >= abs(logs.sum()) - 1e-12)
        assert pairs.sign_flip_test(logs.tolist()) == pytest.approx(everything, abs=0.02)
        assert pairs.sign_flip_test(logs.tolist()) == pairs.sign_flip_test(logs.tolist())

    def test_a_single_block_or_none_says_nothing(self) -> None:
        assert (pairs.t_test([0.5]), pairs.sign_flip_test([0.5]), pairs.sign_flip_test([])) == (1.0, 1.0, 1.0)
        assert pairs.pair({1: 1.0}, {2: 1.0}) is None

    def test_equal_ratios_leave_no_doubt(self) -> None:
        assert (pairs.t_test([0.1, 0.1]), pairs.t_test([0.0, 0.0])) == (0.0, 1.0)


class TestHolm:
    def test_by_hand(self) -> None:
        # sorted 0.005, 0.011, 0.02 against 0.035/3 = 0.0117, 0.035/2 = 0.0175, 0.035: all; 0.04 is above 0.035
        assert pairs.holm([0.011, 0.005, 0.02]) == [True, True, True]
        assert pairs.holm([0.011, 0.013, 0.02, 0.04]) == [False, False, False, False]  # 0.011 > 0.035/4

    def test_stops_at_the_first_that_it_keeps(self) -> None:
        assert pairs.holm([0.001, 0.03, 0.034]) == [True, False, False]  # 0.03 > 0.0175, though 0.034 < 0.035


class TestVerdicts:
    CLEAR = Pair(ratio=Estimate(value=1.1, interval=Interval(low=1.05, high=1.15), count=6), p=0.001, p_flips=2 / 64)

    def test_need_the_interval_the_table_and_the_flips(self) -> None:
        assert pairs.verdicts([self.CLEAR]) == ["slower"]
        assert pairs.verdicts([self.CLEAR], floor=0.06) == ["undetermined"]
        assert pairs.verdicts([self.CLEAR] * 36) == ["undetermined"] * 36  # 0.001 > 0.035/36
        assert pairs.verdicts([Pair(ratio=self.CLEAR.ratio, p=0.001, p_flips=0.0625)]) == ["undetermined"]

    def test_of_fewer_than_six_blocks_there_is_none(self) -> None:
        few = Estimate(value=1.0, interval=Interval(low=0.999, high=1.001), count=5)
        assert pairs.verdicts([Pair(ratio=few, p=1, p_flips=1)]) == ["undetermined"]

    def test_never_call_anything_within_1_percent_different(self) -> None:
        near = Estimate(value=1.008, interval=Interval(low=1.007, high=1.009), count=6)
        assert pairs.verdicts([Pair(ratio=near, p=1e-6, p_flips=2 / 64)], floor=0.0) == ["same"]

    @pytest.mark.parametrize("blocks", [6, 10, 20])
    @pytest.mark.parametrize("sigma", [0.005, 0.02])
    def test_identical_code_is_called_different_in_at_most_5_percent_of_pairs(self, blocks: int, sigma: float) -> None:
        assert rate(lambda rng: verdicts(session(rng, [1, 1], blocks, sigma)), "faster", "slower") <= 0.05

    def test_nor_where_processes_are_heavy_tailed(self) -> None:
        def heavy(rng: np.random.Generator) -> list[Verdict]:
            return verdicts(np.exp(0.02 * rng.standard_t(3, (2, 6))))

        assert rate(heavy, "faster", "slower") <= 0.05

    def test_nor_in_more_than_5_percent_of_tables_of_forty(self) -> None:
        def table(rng: np.random.Generator) -> list[Verdict]:
            said = verdicts(session(rng, [1] * 41, 6, 0.02))
            return ["slower" if {"faster", "slower"} & set(said) else "undetermined"]

        assert rate(table, "slower", runs=300) <= 0.05

    def test_nor_when_a_run_stops_at_the_first_precise_look(self) -> None:
        def stopping(rng: np.random.Generator) -> list[Verdict]:
            medians = session(rng, [1, 1], 20, 0.015)
            return verdicts(medians[:, : _stop(medians)])

        assert rate(stopping, "faster", "slower") <= 0.05

    @pytest.mark.parametrize(("blocks", "sigma"), [(6, 0.005), (10, 0.01), (20, 0.0165)])
    def test_3_percent_is_found_in_90_percent_where_processes_are_as_quiet_as_this(
        self, blocks: int, sigma: float
    ) -> None:
        assert rate(lambda rng: verdicts(session(rng, [1, 1.03], blocks, sigma)), "slower") >= 0.9

    def test_an_effect_is_estimated_within_1_point(self) -> None:
        rng = np.random.default_rng(3)
        found = [np.exp(np.log(b / a).mean()) for a, b in (session(rng, [1, 1.03], 6, 0.005) for _ in range(RUNS))]
        assert np.mean(np.abs(np.array(found) - 1.03) <= 0.01) >= 0.95

    @pytest.mark.parametrize("changed", [{"drift": 0.04}, {"drift": 0.04, "backwards": True}, {"backwards": True}])
    def test_drift_and_reversed_order_change_no_verdict(self, changed: dict[str, float]) -> None:
        ratios = [1, 1, 1.05, 0.9, 1.5]
        opposite = lost = 0
        for seed in range(RUNS):
            steady = verdicts(session(np.random.default_rng(seed), ratios, 6, 0.005))
            moved = verdicts(session(np.random.default_rng(seed), ratios, 6, 0.005, **changed))  # type: ignore[arg-type]
            opposite += any({a, b} == {"faster", "slower"} for a, b in zip(steady, moved, strict=True))
            lost += moved[1:] != ["slower", "faster", "slower"]
        assert opposite == 0
        assert lost / RUNS <= 0.01

    @pytest.mark.parametrize("drift", [0.04, -0.04])
    def test_identical_code_under_drift_is_called_different_as_rarely(self, drift: float) -> None:
        assert rate(lambda rng: verdicts(session(rng, [1, 1], 6, 0.005, drift)), "faster", "slower") <= 0.05


class TestCoverage:
    @pytest.mark.parametrize("sigma", [0.004, 0.01, 0.02, 0.04])
    def test_of_a_ratio_s_interval_with_the_looks_is_93_to_97_percent(self, sigma: float) -> None:
        rng = np.random.default_rng(6)
        covered = 0
        for _ in range(3 * RUNS):
            medians = session(rng, [1, 1.2], 20, sigma)
            logs = np.log(medians[1] / medians[0])[: _stop(medians)]
            covered += there(estimate.estimate(np.exp(logs).tolist()).interval).holds(1.2)
        assert 0.93 <= covered / (3 * RUNS) <= 0.97 + 0.003


class TestTheSimulationCanFail:
    """Each of these is how a difference is often judged elsewhere, and goes wrong on the same sessions."""

    def test_pooled_rounds_call_identical_code_different(self) -> None:
        rng = np.random.default_rng(1)
        wrong = 0
        for _ in range(300):
            levels = session(rng, [1, 1], 6, 0.01)
            a, b = levels[..., np.newaxis] * rng.normal(1, 0.01, (2, 6, 30))
            wrong += scipy_stats.ttest_ind(np.log(a).ravel(), np.log(b).ravel()).pvalue <= 0.035
        assert wrong / 300 > 0.3

    def test_without_pairs_a_common_drift_hides_a_real_difference(self) -> None:
        rng = np.random.default_rng(2)
        unpaired = paired = 0
        for _ in range(300):
            slower, plain = session(rng, [1.03, 1], 6, 0.004, drift=0.08)
            unpaired += bool(scipy_stats.ttest_ind(np.log(slower), np.log(plain)).pvalue <= 0.035)
            paired += verdicts(np.array([plain, slower])) == ["slower"]
        assert paired / 300 >= 0.9
        assert unpaired / 300 <= 0.5

    def test_a_percentile_bootstrap_covers_too_little(self) -> None:
        rng = np.random.default_rng(3)
        logs = rng.normal(0, 0.01, (RUNS, 6))
        drawn = logs[np.arange(RUNS)[:, np.newaxis, np.newaxis], rng.integers(0, 6, (RUNS, 1000, 6))].mean(axis=2)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
        assert np.mean((low <= 0) & (high >= 0)) < 0.93

    def test_one_after_the_other_drift_is_taken_for_a_difference(self) -> None:
        def in_turn(rng: np.random.Generator) -> list[Verdict]:
            return verdicts(session(rng, [1, 1], 6, 0.003, drift=0.04, in_blocks=False))

        assert rate(in_turn, "faster", "slower") > 0.9


def _total(logs: Array) -> float:
    return float(logs.sum())


def _stop(medians: Array) -> int:
    """Blocks after which a run stops: the first look at which both cells are as precise as ±1 %, else the last."""
    for look in LOOKS:
        estimates = [estimate.estimate(one[:look].tolist()) for one in medians]
        if all(there(one.half_width) <= 0.01 for one in estimates):
            return look
    return LOOKS[-1]


def test_verdicts_of_a_ratio_and_of_its_inverse_are_opposite() -> None:
    rng = np.random.default_rng(9)
    opposite = {"faster": "slower", "slower": "faster", "same": "same", "undetermined": "undetermined"}
    for _ in range(300):
        ratios = np.exp(rng.normal(0, 0.02) + rng.normal(0, 0.005, 6)).tolist()
        (one,) = pairs.verdicts([pairs.paired(ratios)])
        (other,) = pairs.verdicts([pairs.paired([1 / ratio for ratio in ratios])])
        assert other == opposite[one], math.log(ratios[0])
