"""Data-parallel steps on the sides of a comparison: with the plain step, and with each other."""

import pytest

from harness.compare.choice import parsed
from harness.compare.compare import Comparison, compare
from tests.harness.report.scaled import STRATEGIES, scaled_run, step_us

RUN = scaled_run()


def compared(a: str, b: str) -> Comparison:
    return compare(RUN, RUN, (parsed(f"run:framework=torch,{a}"), parsed(f":framework=torch,{b}")))


def test_the_plain_step_is_compared_with_that_of_a_strategy_over_one_rank() -> None:
    found = compared("mode=eager,ranks=0", "mode=ddp,ranks=1")
    dearer = STRATEGIES["torch"]["ddp"][1]
    assert {(each.a.scaling, each.b.scaling, each.what) for each in found.cells} == {
        ("", "strong", f"torch eager → ddp mlp {size} adam → 1 rank") for size in ("S", "M")
    }
    assert [each.step.value for each in found.cells] == pytest.approx([dearer, dearer], rel=0.005)
    assert found.unmatched == ()


def test_and_with_both_kinds_of_scaling_only_where_one_is_named() -> None:
    found = compared("mode=eager,ranks=0", "mode=ddp,ranks=2,scaling=weak,size=S")
    expected = step_us("eager", "S", 2, "weak", dearer=1.02, exchange=300.0) / step_us("eager", "S")
    assert [each.step.value for each in found.cells] == pytest.approx([expected], rel=0.005)


def test_strategies_over_other_numbers_of_ranks_agree_in_their_scaling() -> None:
    found = compared("mode=ddp,ranks=1", "mode=ddp,ranks=2")
    assert {(each.a.scaling, each.b.scaling) for each in found.cells} == {("strong", "strong")}
    assert {each.cell.scaling for each in found.unmatched} == {"weak"}
