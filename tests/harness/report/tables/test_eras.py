"""The exhibit: frameworks by their years, which formula of Adam each follows, and what could not be had."""

import csv
import dataclasses
import io
from typing import Any

import pytest
from rich.console import Console

from bench.eras import ABSENT
from bench.records.record import Fit, Record
from harness.report import write
from harness.report.charts.all import charts
from harness.report.exporters.csv import to_csv
from harness.report.exporters.html import page
from harness.report.tables.all import tables
from harness.report.tables.table import Table
from harness.validity.results import Run
from tests import factories
from tests.factories import accuracy, cell, environment, framework, phases, record

OLD = framework(
    "old", ("graph",), era=2010, period="precursors", exhibit=True, program="# a program\n", program_lines=13
)
NEW = framework("new", ("lazy", "jit"), era=2020, period="today", exhibit=True, baseline="lazy", hello="x = 1\n")
USUAL = framework("torch", ("eager",), era=2016, period="pytorch")
FITS = (Fit(formula="kingma-ba", deviation=0.78), Fit(formula="epsilon-hat", deviation=2e-6))


def measured(name: str, mode: str, **changes: Any) -> Record:
    return record(cell(framework=name, mode=mode), **changes)


def run(*records: Record) -> Run:
    made = factories.run(list(records))
    return dataclasses.replace(made, facts=dataclasses.replace(made.facts, frameworks=(NEW, OLD, USUAL)))


def read(table: Table) -> list[dict[str, str]]:  # type: ignore[type-arg]
    return list(csv.DictReader(to_csv(table).splitlines()))


THE_EXHIBIT = run(
    measured("new", "jit", round_ns=(50_000,)),
    measured("new", "lazy", round_ns=(2_000_000,)),
    measured("torch", "eager"),
    measured(
        "old",
        "graph",
        accuracy=accuracy(formula="epsilon-hat", max_loss_deviation=3e-6, fits=FITS),
        environment=environment(versions=("old==0.8.2", "python==2.7.18", "numpy==2.4.6")),
        phases=phases(import_ns=200_000_000, device_ns=300_000_000),
    ),
)


def test_the_oldest_comes_first_and_the_usual_ones_are_among_them() -> None:
    rows = read(tables(THE_EXHIBIT).eras)
    assert [(row["era"], row["framework"], row["mode"]) for row in rows] == [
        ("2010", "old", "graph"),
        ("2016", "torch", "eager"),
        ("2020", "new", "lazy"),
        ("2020", "new", "jit"),
    ]


def test_a_guest_has_its_own_version_interpreter_and_program() -> None:
    row = read(tables(THE_EXHIBIT).eras)[0]
    assert (row["version"], row["interpreter"], row["program_lines"]) == ("0.8.2", "Python 2.7.18", "13")
    assert float(row["ready_ms"]) == pytest.approx(500)
    assert row["peak_rss_bytes"] == str(300 << 20)


@pytest.mark.parametrize(
    ("fits", "told", "apart"),
    [(FITS, "epsilon-hat", 2e-6), ((FITS[0],), "none", 0.78), ((), "", None)],
)
def test_the_formula_is_the_one_that_the_second_run_follows(
    fits: tuple[Fit, ...], told: str, apart: float | None
) -> None:
    (row,) = read(tables(run(measured("old", "graph", accuracy=accuracy(fits=fits)))).eras)
    assert row["formula_told"] == told
    assert row["told_deviation"] == ("" if apart is None else str(apart))


def test_an_invalid_cell_keeps_its_row_and_what_was_found() -> None:
    lost = measured("old", "graph", status="invalid", reason="follows no formula", accuracy=accuracy(fits=(FITS[0],)))
    (row,) = read(tables(run(lost)).eras)
    assert (row["status"], row["reason"], row["step_us"]) == ("invalid", "follows no formula", "")
    assert (row["formula_told"], row["told_deviation"]) == ("none", "0.78")


def test_a_run_without_the_exhibit_has_none_of_it() -> None:
    usual = run(measured("torch", "eager"))
    made = tables(usual)
    assert (made.eras.rows, made.not_had.rows) == ((), ())
    assert "eras" not in [chart.name for chart in charts(usual, made)]
    assert 'id="eras"' not in page(usual, made, so_far="so far")


def test_what_could_not_be_had_says_why_and_what_was_tried() -> None:
    rows = read(tables(THE_EXHIBIT).not_had)
    assert {row["framework"] for row in rows} == {each.title for each in ABSENT}
    assert {row["status"] for row in rows} == {"skipped"}
    assert all(row["why"] and row["tried"] for row in rows)
    assert [row["framework"] for row in rows][:2] == ["Torch7", "Caffe 1"]


def test_the_timeline_names_years_periods_fastest_modes_and_lines() -> None:
    (chart,) = (one for one in charts(THE_EXHIBIT, tables(THE_EXHIBIT)) if one.name == "eras")
    for drawn in (chart.svg, chart.narrow_svg):
        texts = [">2010", "old", "Precursors", "Today", "jit", "50.0 µs"]
        assert [text for text in texts if text not in drawn] == []
        assert "undefined" not in drawn
        assert "null" not in drawn
    assert "13 lines" in chart.svg


def test_the_page_has_the_programs_beside_the_timeline() -> None:
    text = page(THE_EXHIBIT, tables(THE_EXHIBIT), so_far="so far")
    section = text[text.index('<section id="eras">') :]
    section = section[: section.index("</section>")]
    assert "a program" in section
    assert "Torch7" in section


def test_the_exhibit_fits_a_terminal_of_80_columns_without_cutting_a_value() -> None:
    text = io.StringIO()
    write.show(THE_EXHIBIT, Console(file=text, width=80))
    assert "Eras." in text.getvalue()
    assert "…" not in text.getvalue()
