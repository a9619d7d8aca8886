"""Two runs compared: ratios by hand, Holm by hand, and verdicts only where there is enough to stand on."""

import dataclasses
import io
import math
from collections.abc import Sequence

import pytest
from rich.console import Console
from scipy import stats as scipy_stats

from harness import compare as comparison
from harness.compare import compare, holm, p_value
from harness.errors import SelectionError
from harness.report.facts import Run
from tests import factories


def made(steps_us: Sequence[float], mode: str = "eager", launcher: str = "venv", **changes: object) -> Run:
    """A run of one cell whose replicates took these times a step."""
    cell = factories.cell(mode=mode)
    records = [
        factories.record(cell, block=block, round_ns=(round(step * 1000),) * 5)
        for block, step in enumerate(steps_us, start=1)
    ]
    return factories.run(records, launcher=launcher, **changes)


def test_ratio_is_the_geometric_mean_over_blocks() -> None:
    found = compare(made([100, 100]), made([110, 120], launcher="docker"))
    (cell,) = found.cells
    assert cell.step.value == pytest.approx(math.sqrt(1.1 * 1.2))
    assert cell.first_step.value == pytest.approx(1.0)
    assert (cell.a_step_ns, cell.b_step_ns) == pytest.approx((100e3, math.sqrt(110 * 120) * 1e3))


def test_drift_that_both_runs_share_cancels() -> None:
    drift = [100, 110, 125, 140, 160, 190]
    found = compare(made(drift), made([step * 1.05 for step in drift]))
    assert found.cells[0].step.value == pytest.approx(1.05, rel=1e-3)
    assert found.cells[0].verdict == "slower"


def test_fewer_than_six_blocks_give_no_verdict() -> None:
    found = compare(made([100, 101, 100]), made([200, 201, 200]))
    assert found.cells[0].step.value == pytest.approx(2, rel=1e-2)
    assert found.cells[0].verdict == "undetermined"


def test_the_same_run_is_the_same() -> None:
    run = made([100, 101, 102, 99, 100, 98])
    assert compare(run, run).cells[0].verdict == "same"


def test_runs_without_a_cell_in_common_are_refused() -> None:
    with pytest.raises(SelectionError, match="no cell with a valid time in the same block"):
        compare(made([100, 100]), made([100, 100], mode="compile"))


@pytest.mark.parametrize("ratios", [[1.1, 1.2, 0.9, 1.05], [1.01, 1.02, 1.015], [0.5, 2.0]])
def test_p_is_that_of_the_one_sample_t_test(ratios: list[float]) -> None:
    expected = scipy_stats.ttest_1samp([math.log(ratio) for ratio in ratios], 0).pvalue
    assert p_value(ratios) == pytest.approx(expected, rel=1e-9)


def test_holm_rejects_step_by_step() -> None:
    # 0.01 ≤ 0.05/4, 0.013 ≤ 0.05/3, 0.03 > 0.05/2: the third stops it, and the fourth with it
    assert holm([0.03, 0.01, 0.04, 0.013], alpha=0.05) == [False, True, False, True]
    assert holm([], alpha=0.05) == []


def test_the_table_names_the_launchers_and_the_ratio() -> None:
    a, b = made([100.0] * 6), made([103.0] * 6, launcher="docker")
    text = io.StringIO()
    comparison.show(a, b, compare(a, b), Console(file=text, width=160))
    assert "venv µs" in text.getvalue()
    assert "1.030 (1.030 to 1.030)" in text.getvalue()
    assert "slower" in text.getvalue()


def test_what_else_differs_is_said() -> None:
    a = made([100, 100])
    b = made([100, 100], launcher="docker")
    other = factories.environment(python="3.11.2")
    b = dataclasses.replace(b, records=tuple(dataclasses.replace(one, environment=other) for one in b.records))
    assert compare(a, a).unlike == ()
    assert compare(a, b).unlike == ("torch: Python 3.11.7 (venv), Python 3.11.2 (docker)",)
