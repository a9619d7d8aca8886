"""The chart of variants: what is drawn of known records."""

import dataclasses
import functools
import re

from harness.report.charts.chart import Chart
from harness.report.charts.variants import variants
from harness.report.tables.all import tables
from harness.stats.estimate import Interval
from harness.validity.results import Run
from tests.harness.report.varied import records, varied_run


def drawn(of: Run) -> Chart:
    chart = variants(tables(of).variants.rows, {"jax@0.10.2": 1, "numpy@2.3.5": 2}, "")
    assert chart
    return chart


@functools.cache
def varied() -> Chart:
    return drawn(varied_run())


def test_has_a_row_for_each_mode_and_work_of_each_variant_the_smallest_first() -> None:
    chart = varied()
    for svg in (chart.svg, chart.narrow_svg):
        assert svg.count("JAX@0.10.2") == 4
        assert svg.count("NumPy@2.3.5") == 2
        assert "JAX@0.9.2" not in svg, "the reference is the line at 1"
    places = [chart.svg.index(f">{text}<") for text in ("jit on regression base", "jit on mlp S")]
    assert places == sorted(places), "0.95 stands above 1.04"


def test_shows_each_ratio_with_its_interval_and_one_on_the_axis() -> None:
    svg = varied().svg
    assert re.search(r">1\.0[34]\d<", svg)
    assert re.search(r">0\.9[45]\d<", svg)
    assert len(re.findall(r">\d\.\d{3} – \d\.\d{3}<", svg)) == 6
    assert ">1.00<" in svg


def test_ticks_of_an_enormous_interval_are_few_and_one_is_among_them() -> None:
    rows = [
        dataclasses.replace(row, ratio=dataclasses.replace(row.ratio, interval=Interval(low=0.002, high=700.0)))
        if row.ratio
        else row
        for row in tables(varied_run()).variants.rows
    ]
    chart = variants(rows, {}, "")
    assert chart
    for svg in (chart.svg, chart.narrow_svg):
        assert re.findall(r">(10*|0\.0*1)</text>", svg) == ["0.01", "0.1", "1", "10", "100"]


def test_what_is_not_told_is_hollow() -> None:
    assert varied().svg.count("var(--ground)") > 0, "the four that are the same"
    one = varied_run([each for each in records() if (each.cell.mode, each.cell.workload) == ("jit", "mlp")])
    assert "var(--ground)" not in drawn(one).svg


def test_there_is_none_without_two_variants() -> None:
    assert variants(tables(varied_run([])).variants.rows, {}, "") is None


def test_a_caveat_stands_in_the_picture() -> None:
    chart = variants(tables(varied_run()).variants.rows, {}, "Of an emulated GPU.")
    assert chart
    assert "Of an emulated GPU." in chart.svg


def test_of_many_the_farthest_from_one_are_drawn_and_the_others_are_named() -> None:
    found = [
        dataclasses.replace(each, cell=dataclasses.replace(each.cell, size=f"S{number}"))
        for each in records(2)
        if each.cell.framework == "jax"
        for number in range(12)
    ]
    chart = drawn(varied_run(found, blocks=2))
    assert chart.svg.count("JAX@0.10.2") == 40
    assert chart.svg.count(">jit on") == 24
    assert " Not drawn: JAX@0.10.2 op-by-op on " in chart.about
    assert chart.about.endswith(" and 4 more.")
