"""All charts of a run: which there are, that none weighs too much, and that they are the same each time."""

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.records.record import Record
from harness import report
from harness.report.charts.all import MOST_ROWS, charts
from harness.report.charts.chart import Chart
from harness.report.charts.colours import COLOURS
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.charts.reading import compiled, texts
from tests.harness.report.example import example, samples


@pytest.fixture(scope="module")
def drawn() -> Sequence[Chart]:
    return charts(example(), tables(example()))


def of(made: Run) -> Sequence[Chart]:
    return charts(made, tables(made))


def test_of_a_whole_run(tmp_path: Path) -> None:
    shown = example("quick", 3)
    found = of(dataclasses.replace(shown, samples=samples(shown, tmp_path)))
    assert [chart.name for chart in found] == [
        "steps", "steps-2", "compile", "costs", "losses", "peak", "peak-2", "memory",
    ]  # fmt: skip


def test_take_every_colour_from_the_page(drawn: Sequence[Chart]) -> None:
    for chart in drawn:
        for svg in (chart.svg, chart.narrow_svg):
            assert re.findall(r"#[0-9a-f]{3,6}\b|rgb|font-family", svg) == []
            assert set(re.findall(r"var\(--[a-z0-9-]+\)", svg)) <= set(COLOURS)


def test_are_named_for_those_who_do_not_see_them(drawn: Sequence[Chart]) -> None:
    for chart in drawn:
        assert re.match(r'<svg [^>]*role="img" aria-label="[^"]{20,}"', chart.svg)


def test_have_distinct_names_and_a_title_that_says_which_work(drawn: Sequence[Chart]) -> None:
    assert len({chart.name for chart in drawn}) == len(drawn)
    assert [chart.name for chart in drawn if "regression" not in chart.title] == []


def test_live_ones_wait_for_the_cells_of_the_page(drawn: Sequence[Chart], capfd: pytest.CaptureFixture[str]) -> None:
    live = [chart for chart in drawn if chart.spec is not None]
    assert [chart.name for chart in live] == ["steps", "steps-2", "compile", "peak", "peak-2"]
    for chart in live:
        assert chart.spec is not None
        assert chart.spec["data"] == {"name": "cells"}
        assert chart.narrow_spec is not None
        assert chart.narrow_spec["width"] < chart.spec["width"]
        compiled(chart.spec, capfd)


def test_twice_are_the_same(drawn: Sequence[Chart]) -> None:
    assert of(example()) == drawn


def test_of_nothing_are_none() -> None:
    assert of(run([])) == ()


def test_of_one_cell() -> None:
    assert [chart.name for chart in of(run([record()]))][:2] == ["steps", "compile"]


def test_of_cells_that_all_failed_are_none() -> None:
    assert (
        of(run([record(cell(mode=f"m{at}"), status="failed", reason="it broke", timing=None) for at in range(3)])) == ()
    )


def many(count: int) -> list[Record]:
    """Cells of twelve works with 48 modes, as a run of the whole matrix over several workloads has them."""
    found: list[Record] = []
    for name in ("regression", "mlp", "convnet", "transformer"):
        for size in ("S", "M", "L"):
            found += [
                dataclasses.replace(one, cell=dataclasses.replace(one.cell, workload=name, size=size))
                for one in example("quick", 3).records
                if one.cell.track == "identical" and one.block == 1
            ]
    return found[:count]


def test_of_500_cells_weigh_less_than_500_kilobytes() -> None:
    shown = example("quick", 3)
    made = dataclasses.replace(shown, records=tuple(many(500)), samples=None)
    found = of(made)
    assert len(tables(made).steps.rows) == 500
    timed = {(row.cell.workload, row.cell.size, row.is_inference) for row in tables(made).steps.rows if row.step_ns}
    assert len([chart for chart in found if chart.name.startswith("steps")]) == len(timed)
    assert sum(len(chart.svg.encode()) + len(chart.narrow_svg.encode()) for chart in found) < 500_000


def test_more_rows_than_a_page_has_room_for_are_named() -> None:
    works = [cell(workload=f"w{number}", mode=f"m{at}") for number in range(4) for at in range(MOST_ROWS // 3)]
    found = {chart.name: chart for chart in of(run([record(one) for one in works]))}
    assert "compile-3" in found
    assert "compile-4" not in found
    assert found["compile-3"].about.endswith(" Not drawn: w3 adam.")


def test_the_caveat_stands_in_every_picture_and_in_every_sentence() -> None:
    host = dataclasses.replace(example().facts.host, gpu="Emulated H100", driver="580.95.05-emulated")
    made = dataclasses.replace(example(), facts=dataclasses.replace(example().facts, host=host))
    assert made.caveat
    for chart in of(made):
        for svg in (chart.svg, chart.narrow_svg):
            assert made.caveat in {text.words for text in texts(svg)}
        assert chart.about.startswith(made.caveat)


def test_charts_need_no_library_that_draws_in_this_process() -> None:
    assert not {name for name in sys.modules if name.startswith("harness.")} & {"vl_convert"}
    source = (Path(report.__file__).parent / "charts").glob("*.py")
    assert [path.name for path in source if "import vl_convert" in path.read_text()] == ["engine_process.py"]


def test_a_framework_that_the_facts_lack_is_drawn_too() -> None:
    made = run([record(cell(framework="toy"))], frameworks=(factories.framework(),))
    assert "var(--hue-0)" in of(made)[0].svg
