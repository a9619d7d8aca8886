"""Charts with a row for each cell: their values and their order, read back from the picture."""

import itertools
import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness.format import duration, mebibytes, significant, times
from harness.report.charts import compile, expressions, peak, steps
from harness.report.charts.cells import CellRow, Group
from harness.report.charts.chart import Spec
from harness.report.charts.draw import draw
from harness.report.charts.look import ticks
from harness.report.tables.all import tables
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.charts.reading import compiled, elements, group, groups_of, live, rows, texts
from tests.harness.report.example import example

MIB = 2**20
SPECS: Mapping[str, Callable[..., Spec]] = {
    "steps": steps.step_spec,
    "compile": compile.first_step_spec,
    "peak": peak.peak_spec,
}
CELLS = (
    {
        "mode": "slow",
        "step_ns": 7.1e9,
        "low_ns": 6.9e9,
        "high_ns": 7.3e9,
        "first_step_ns": 8e9,
        "peak_bytes": 300 * MIB,
    },
    {"mode": "quick", "step_ns": 104_321.0, "first_step_ns": 4.2e9, "break_even": 1234, "peak_bytes": 36.2 * MIB},
    {"mode": "same", "step_ns": 104_321.0, "first_step_ns": 5e6, "break_even": "never", "peak_bytes": 1500 * MIB},
    {"mode": "lost", "status": "failed", "reason": "import: no module"},
)


def picture(kind: str, of: Group, **changes: Any) -> str:
    return draw(SPECS[kind](of, **{"narrow": False, **changes}), name="x", label="x")


def lines(svg: str, of: Group) -> list[list[str]]:
    """The lines of the rows, without headings and ticks."""
    modes = {row["mode"] for row in of.rows}
    return [line for line in rows(svg) if modes & {word for text in line for word in text.split(" ")}]


def test_steps_are_sorted_with_their_values_and_their_ratio_to_the_fastest() -> None:
    of = group(*CELLS)
    assert lines(picture("steps", of), of) == [
        ["PyTorch", "quick", duration(104_321.0), "1×"],
        ["PyTorch", "same", duration(104_321.0), "1×"],
        ["PyTorch", "slow", duration(7.1e9), times(7.1e9 / 104_321.0)],
        ["PyTorch", "lost", "failed: import: no module"],
    ]  # fmt: skip


def test_first_steps_are_sorted_and_say_when_they_pay_back() -> None:
    of = group(*CELLS)
    assert lines(picture("compile", of), of) == [
        ["PyTorch", "same", "5.00 ms", "never"],
        ["PyTorch", "quick", "4.20 s", "1,200 steps"],
        ["PyTorch", "slow", "8.00 s"],
        ["PyTorch", "lost", "failed: import: no module"],
    ]  # fmt: skip


def test_peaks_are_sorted_with_their_ratio_to_the_least() -> None:
    of = group(*CELLS)
    assert lines(picture("peak", of), of) == [
        ["PyTorch", "quick", "36.2 MiB", "1×"],
        ["PyTorch", "slow", "300 MiB", "8.29×"],
        ["PyTorch", "same", "1,500 MiB", "41.4×"],
        ["PyTorch", "lost", "failed: import: no module"],
    ]  # fmt: skip


def test_a_narrow_picture_says_the_same() -> None:
    of = group(*CELLS)
    wide = {word for line in lines(picture("steps", of), of) for word in line}
    narrow = " ".join(text.words for text in texts(picture("steps", of, narrow=True)))
    assert [word for word in wide if word not in narrow] == []


def test_dots_lie_where_their_values_are_on_a_logarithmic_scale() -> None:
    of = group(*({"mode": f"m{at}", "step_ns": 10.0 ** (3 + at)} for at in range(4)))
    svg = picture("steps", of)
    places = sorted(x for element, x, _ in elements(svg) if element.tag.endswith("circle"))
    gaps = [right - left for left, right in itertools.pairwise(places)]
    assert gaps == pytest.approx([gaps[0]] * 3, abs=0.1)
    ticks = {text.words: text.x for text in texts(svg) if text.words in ("1 µs", "1 ms")}
    assert ticks["1 ms"] - ticks["1 µs"] == pytest.approx(3 * gaps[0], abs=0.1)


def test_an_interval_is_drawn_where_there_is_one() -> None:
    def intervals(of: Group) -> int:
        return len([1 for element, _, _ in elements(picture("steps", of)) if element.get("stroke-linecap") == "round"])

    assert [intervals(group(one)) for one in CELLS[:2]] == [1, 0]


def test_the_axis_of_one_cell_spans_a_factor_of_two() -> None:
    """So that a difference of one per cent does not look like one of a factor."""
    of = group({"mode": "a", "step_ns": 1000.0}, {"mode": "b", "step_ns": 1010.0})
    places = [x for element, x, _ in elements(picture("steps", of)) if element.tag.endswith("circle")]
    assert abs(places[1] - places[0]) < 0.02 * 960


def test_inference_is_hollow_and_has_a_chart_of_its_own() -> None:
    found = steps.steps(groups_of(example()), "")
    assert [chart.title.partition(",")[0] for chart in found] == ["Time per step", "Time per forward pass"]
    training, inference = found
    assert "not a training step" in inference.about
    assert "ONNX Runtime" in inference.svg
    assert "ONNX Runtime" not in training.svg
    assert "var(--ground)" in inference.svg
    assert "var(--ground)" not in training.svg


def test_every_cell_of_a_run_has_its_value_or_its_status() -> None:
    found = {text.words for chart in steps.steps(groups_of(example()), "") for text in texts(chart.svg)}
    for row in tables(example()).steps.rows:
        if row.step_ns:
            assert duration(row.step_ns.value) in found
        else:
            assert any(words.startswith(row.status) for words in found)


def test_there_is_a_chart_for_each_work_and_its_height_follows_its_rows() -> None:
    made = run(
        [
            record(cell(workload=name, mode=f"m{at}"))
            for name, count in (("mlp", 2), ("convnet", 12))
            for at in range(count)
        ]
    )
    found = steps.steps(groups_of(made), "")
    assert [chart.name for chart in found] == ["steps", "steps-2"]
    assert {chart.title for chart in found} == {"Time per step, mlp adam", "Time per step, convnet adam"}
    heights = sorted(float(re.findall(r'height="([\d.]+)"', chart.svg)[0]) for chart in found)
    assert heights[1] - heights[0] == 10 * 24


def test_promises_an_interval_where_one_is_drawn() -> None:
    once, often = (run([record(block=block) for block in range(1, blocks + 1)]) for blocks in (1, 3))
    assert ["95 %" in steps.steps(groups_of(shown), "")[0].about for shown in (once, often)] == [False, True]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("is_live", [False, True])
def test_vega_lite_has_no_warning(kind: str, narrow: bool, is_live: bool, capfd: pytest.CaptureFixture[str]) -> None:
    of = group(*CELLS)
    compiled(SPECS[kind](of, narrow=narrow, live=is_live, caveat="Not real."), capfd)


@pytest.mark.parametrize("kind", SPECS)
def test_a_live_chart_draws_what_the_one_drawn_ahead_does(kind: str) -> None:
    of = group(*CELLS)
    others = [{**row, "size": "XL"} for row in of.rows]
    spec = SPECS[kind](of, narrow=False, live=True)
    assert spec["data"] == {"name": "cells"}
    drawn = draw(live(spec, [*others, *of.rows]), name="x", label="x")
    assert lines(drawn, of) == lines(picture(kind, of), of)


def test_a_live_chart_compares_with_the_readers_reference() -> None:
    of = group(*({**one, "ratio": one["step_ns"] / 1e6 if "step_ns" in one else None} for one in CELLS))  # type: ignore[operator]
    drawn = draw(live(steps.step_spec(of, narrow=False, live=True), of.rows), name="x", label="x")
    assert ["PyTorch", "slow", "7.10 s", times(7100.0)] in lines(drawn, of)
    assert "÷ reference" in {text.words for text in texts(drawn)}


def test_a_live_chart_of_nothing_is_drawn() -> None:
    assert texts(draw(live(steps.step_spec(group(*CELLS), narrow=False, live=True), []), name="x", label="x")) == []


@pytest.mark.parametrize("kind", SPECS)
def test_the_fields_of_a_row_are_data_and_never_run(kind: str) -> None:
    hostile = "'] || toString(1) + datum['mode"
    names = {"framework": hostile, "title": "<b>$x$</b>", "mode": "${1+1}", "workload": 'a"b\\', "size": "a.b[0]"}
    of = group({**CELLS[0], **names}, {**CELLS[3], **names, "mode": "datum.step_ns"})
    of = Group(work=(names["workload"], names["size"], *of.work[2:]), is_inference=False, rows=of.rows)
    drawn = draw(live(SPECS[kind](of, narrow=False, live=True), of.rows), name="x", label="x")
    words = {text.words for text in texts(drawn)}
    assert {"<b>$x$</b>", "${1+1}", "datum.step_ns", "failed: import: no module"} <= words
    assert "<b>" not in drawn


def test_a_long_name_is_cut_short() -> None:
    svg = picture("steps", group({**CELLS[0], "title": "x" * 500, "mode": "y" * 500}))
    assert max(len(text.words) for text in texts(svg)) < 40
    assert float(re.findall(r'width="([\d.]+)"', svg)[0]) == 960


def test_the_caveat_stands_in_the_picture_above_all_else() -> None:
    for kind in SPECS:
        for narrow in (False, True):
            found = texts(picture(kind, group(*CELLS), caveat="Not real.", narrow=narrow))
            (caveat,) = (text for text in found if text.words == "Not real.")
            assert caveat.y == min(text.y for text in found)
            assert caveat.y >= 8
            assert 0 <= caveat.x <= 2


def test_a_run_without_times_has_no_chart_of_steps() -> None:
    failed = run([record(status="failed", reason="import: exit code 1", timing=None)])
    assert steps.steps(groups_of(failed), "") == ()
    assert not any(compile.is_drawable(of) for of in groups_of(failed))


def test_a_peak_is_what_cells_of_one_device_are_compared_by() -> None:
    memory = factories.record().memory
    of = groups_of(run([record()]))[0]
    assert of.rows[0]["peak_bytes"] == (memory.host_peak_rss_bytes if memory else None)


def evaluated(expression: str, values: list[float]) -> list[str]:
    """What Vega makes of an expression over `datum.v`."""
    spec = {
        "data": {"values": [{"v": value, "at": at} for at, value in enumerate(values)]},
        "transform": [{"calculate": expression, "as": "text"}],
        "mark": "text",
        "encoding": {
            "text": {"field": "text", "type": "nominal"},
            "y": {"field": "at", "type": "ordinal", "axis": None},
        },
    }
    return [text.words for text in texts(draw(spec, name="x", label="x"))]


def test_numbers_are_text_as_in_the_tables() -> None:
    drawn = random.Random(7)
    ns = [*(10 ** drawn.uniform(0, 12) for _ in range(200)), 1, 999.4, 999.6, 1000, 999_600, 1e6, 1e9, 20_712e9]
    assert evaluated(expressions.duration("datum.v"), ns) == [duration(one) for one in ns]
    bytes_ = [one * 1e3 for one in ns]
    assert evaluated(expressions.mebibytes("datum.v"), bytes_) == [f"{mebibytes(one)} MiB" for one in bytes_]
    ratios = [1, 1.0049, 31.46, 6390.4, 0.98765]
    assert evaluated("format(datum.v, ',.3r')", ratios[1:]) == [significant(one) for one in ratios[1:]]


@pytest.mark.parametrize(("low", "high", "shown"), [(13e6, 80e6, [20e6, 50e6]), (900, 2e6, [1e3, 1e4, 1e5, 1e6])])
def test_an_axis_of_less_than_a_decade_has_ticks_too(low: float, high: float, shown: list[float]) -> None:
    assert [tick for tick in ticks([low, high]) if low <= tick <= high] == pytest.approx(shown)


def test_a_specification_is_nothing_but_json() -> None:
    for kind, of in ((kind, group(*CELLS)) for kind in SPECS):
        spec = SPECS[kind](of, narrow=False, live=True)
        assert json.loads(json.dumps(spec, allow_nan=False)) == json.loads(json.dumps(spec))


def test_a_row_has_the_keys_that_a_page_gives() -> None:
    row: CellRow = groups_of(example())[0].rows[0]
    assert {"framework", "title", "mode", "label", "workload", "size", "hue", "ratio", "is_inference"} <= set(row)
