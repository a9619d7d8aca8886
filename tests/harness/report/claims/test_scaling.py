"""The claims about several ranks, once for each verdict. The figures are known from how the records were made."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from bench.records.record import Record
from harness.report.tables.all import tables
from harness.report.tables.claims import ClaimRow
from tests.factories import cell, ranked, record
from tests.harness.report.scaled import scaled_run

HOLDS, FAILS, NOT_TOLD = "holds", "does not hold here", "not told"


def steps(us: float, ranks: int = 2, strategy: str = "ddp", size: str = "S", noise: float = 0.002) -> Iterator[Record]:
    """Six replicates that take `us` a step; 0 ranks: of the plain mode."""
    rng = np.random.default_rng(round(us) + ranks)
    for block in range(1, 7):
        taken = us * float(np.exp(rng.normal(0, noise)))
        if ranks:
            yield ranked(ranks, block=block, step_us=taken, of={"mode": strategy, "size": size})
        else:
            plain = cell(mode="compile" if strategy.endswith("compile") else "eager", workload="mlp", size=size)
            yield record(plain, block=block, round_ns=(round(taken * 1000),) * 3)


def row(claim: str, *found: Iterable[Record], **facts: object) -> ClaimRow:
    shown = scaled_run([each for some in found for each in some], **facts)
    return next(row for row in tables(shown).claims.rows if row.id == claim)


def failed(of: Iterable[Record]) -> list[Record]:
    return [record(each.cell, block=each.block, status="failed", reason="rank 1 ended") for each in of]


class TestScalesWithWork:
    SMALL = (*steps(1000, 1), *steps(800, 2))  # efficiency 0.625

    def test_holds_where_the_efficiency_is_higher_at_the_largest_size(self) -> None:
        found = row("scales-with-work", self.SMALL, steps(9000, 1, size="M"), steps(5000, 2, size="M"))
        assert (found.verdict, found.needs) == (HOLDS, "")
        assert "PyTorch ddp mlp M over S, 2 ranks, strong 1.44×" in found.measured or "1.44×" in found.measured

    def test_does_not_hold_where_it_is_lower(self) -> None:
        found = row("scales-with-work", self.SMALL, steps(9000, 1, size="M"), steps(9000, 2, size="M"))
        assert found.verdict == FAILS

    def test_is_not_told_where_the_blocks_disagree(self) -> None:
        loud = steps(6000, 2, size="M", noise=0.5)
        assert row("scales-with-work", self.SMALL, steps(9000, 1, size="M"), loud).verdict == NOT_TOLD

    def test_one_size_says_nothing(self) -> None:
        assert row("scales-with-work", self.SMALL).verdict is None

    def test_a_size_without_a_result_is_named(self) -> None:
        found = row("scales-with-work", self.SMALL, failed(steps(5000, 2, size="M")))
        assert found.verdict == NOT_TOLD
        assert "Without a result: PyTorch ddp M, 2 ranks, strong: failed" in found.measured

    def test_a_first_look_judges_nothing(self) -> None:
        found = row("scales-with-work", self.SMALL, steps(9000, 1, size="M"), steps(5000, 2, size="M"), profile="quick")
        assert found.verdict == NOT_TOLD


class TestCompiledScalesWorse:
    EAGER = (*steps(1000, 1), *steps(600, 2))  # efficiency 0.833

    @pytest.mark.parametrize(("us", "verdict"), [(500.0, HOLDS), (300.0, FAILS)])
    def test_by_the_efficiencies(self, us: float, verdict: str) -> None:
        compiled = (*steps(700, 1, "ddp-compile"), *steps(us, 2, "ddp-compile"))  # 0.7, and 1.17
        found = row("compiled-scales-worse", self.EAGER, compiled)
        assert found.verdict == verdict
        assert "PyTorch ddp-compile ÷ ddp" in found.measured

    def test_without_the_other_of_the_two_there_is_nothing_to_compare(self) -> None:
        assert row("compiled-scales-worse", self.EAGER).verdict is None


class TestOneRankIsFree:
    @pytest.mark.parametrize(
        ("us", "verdict"), [(1020.0, HOLDS), (1150.0, FAILS), (1050.0, NOT_TOLD)], ids=["free", "dear", "at the limit"]
    )
    def test_by_the_step_over_one_rank(self, us: float, verdict: str) -> None:
        found = row("one-rank-is-free", steps(1000, 0), steps(us, 1))
        assert found.verdict == verdict
        assert "PyTorch ddp ÷ eager" in found.measured

    def test_several_ranks_say_nothing_of_it(self) -> None:
        assert row("one-rank-is-free", steps(1000, 0), steps(600, 2)).verdict is None


def test_a_run_without_ranks_has_no_cells_for_them() -> None:
    plain = [dataclasses.replace(each) for each in steps(1000, 0)]
    for claim in ("scales-with-work", "compiled-scales-worse", "one-rank-is-free"):
        found = row(claim, plain)
        assert found.verdict is None
        assert "--ranks" in found.command
