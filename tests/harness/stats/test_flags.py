import dataclasses

import numpy as np
import pytest

from harness.environments.checkout import ROOT
from harness.stats import estimate, flags
from harness.stats.flags import ALPHABET, AUTOCORR, BIMODAL, FEW, IMPRECISE, NOSLOPE, NOSTEADY, OUTLIER, SHIFT, STOLEN
from tests.factories import timing
from tests.harness.stats.test_estimate import there


class TestFlags:
    CLEAN = timing(round_ns=(100_000, 100_100) * 15)

    def test_none_on_six_clean_replicates(self) -> None:
        rounds = np.random.default_rng(15).normal(100_000, 1000, (6, 30)).astype(int)
        clean = [timing(round_ns=tuple(map(int, one))) for one in rounds]
        assert flags.flags(clean, "cpu") == ()

    def test_nosteady_when_any_replicate_was_not(self) -> None:
        replicates = [self.CLEAN] * 5 + [dataclasses.replace(self.CLEAN, steady=False)]
        assert NOSTEADY in flags.flags(replicates, "cpu")
        assert NOSTEADY not in flags.flags([self.CLEAN] * 6, "cpu")

    def test_few_blocks_below_six(self) -> None:
        assert FEW in flags.flags([self.CLEAN] * 5, "cpu")
        assert FEW not in flags.flags([self.CLEAN] * 6, "cpu")
        assert FEW.name == "B<6"

    def test_imprecise_above_2_percent_on_a_processor_and_1_percent_on_a_gpu(self) -> None:
        replicates = [timing(round_ns=(100_000 + spread,) * 3) for spread in (0, 3000, 0, 3000, 0, 3000)]
        half_width = there(estimate.estimate([there(estimate.step_ns(one)) for one in replicates]).half_width)
        assert 0.01 < half_width < 0.02
        assert IMPRECISE in flags.flags(replicates, "cuda")
        assert IMPRECISE not in flags.flags(replicates, "cpu")

    def test_autocorrelation_of_alternating_rounds(self) -> None:
        assert AUTOCORR in flags.flags([self.CLEAN] * 6, "cpu")  # 100 000, 100 100, 100 000, …: r₁ near -1

    def test_false_alarms_on_independent_rounds_are_rare(self) -> None:
        rng = np.random.default_rng(16)
        alarms = 0
        for _ in range(1000):
            seen = [rng.normal(100_000, 2000, (3, 10))]
            alarms += flags.autocorrelated(seen) or flags.shapes(seen) != ["flat"] * 3
        assert alarms / 1000 <= 0.05

    def test_shift_of_the_level_within_a_replicate(self) -> None:
        rng = np.random.default_rng(17)
        rounds = rng.normal(100_000, 1000, 30)
        moved = rounds + np.repeat([0, 5000], 15)
        assert SHIFT in flags.flags([timing(round_ns=tuple(map(int, moved)))] * 6, "cpu")
        assert SHIFT not in flags.flags([timing(round_ns=tuple(map(int, rounds)))] * 6, "cpu")

    def test_no_slope_is_said(self) -> None:
        flat = timing(round_ns=(100, 100), double_round_ns=(100, 100))
        assert NOSLOPE in flags.flags([flat, self.CLEAN], "cpu")

    def test_a_processor_that_was_shared_is_said(self) -> None:
        whole = timing(round_ns=(100_000,) * 10, process_cpu_ns=980_000)
        halved = timing(round_ns=(100_000,) * 10, process_cpu_ns=510_000)
        assert estimate.cpu_share(halved) == pytest.approx(0.51)
        assert STOLEN in flags.flags([whole, halved], "cpu")
        assert STOLEN not in flags.flags([whole, whole], "cpu")
        assert STOLEN not in flags.flags([halved, halved], "cuda")  # the host waits there

    def test_the_alphabet_has_every_flag_of_the_module_with_a_letter_and_a_name_of_its_own(self) -> None:
        defined = {value for value in vars(flags).values() if isinstance(value, flags.Flag)}
        assert defined | set(flags.WARNINGS.values()) == set(flags.ALPHABET)
        assert "".join(flag.letter for flag in flags.ALPHABET) == "NBIASCLMODGPUXRH"
        assert len({flag.letter for flag in flags.ALPHABET}) == len(flags.ALPHABET)
        assert len({flag.name for flag in flags.ALPHABET}) == len(flags.ALPHABET)

    def test_two_levels_among_the_replicates_are_said(self) -> None:
        levels = (100_000, 103_000, 100_050, 103_050, 100_100, 103_100)
        assert BIMODAL in flags.flags([timing(round_ns=(level,) * 3) for level in levels], "cpu")

    def test_one_replicate_far_from_the_others_is_said_and_counts_all_the_same(self) -> None:
        levels = (100_000, 100_050, 100_100, 100_150, 100_200, 120_000)
        replicates = [timing(round_ns=(level,) * 3) for level in levels]
        assert OUTLIER in flags.flags(replicates, "cpu")
        assert BIMODAL not in flags.flags(replicates, "cpu")
        assert estimate.estimate(levels).value > 103_000

    def test_replicates_of_different_lengths_are_judged_together(self) -> None:
        assert AUTOCORR in flags.flags([self.CLEAN, timing(round_ns=(100_000, 100_100) * 14)] * 3, "cpu")
        assert flags.flags([timing(round_ns=(100, 101, 102)), timing(round_ns=())], "cpu") == (FEW, NOSLOPE)


def test_the_page_of_the_tables_has_every_letter() -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert [flag.name for flag in ALPHABET if f"| {flag.letter} | `{flag.name}` |" not in page] == []
