"""The loop on the page of the run in whose folder it lies."""

import dataclasses
import sys

import pytest

from harness.report.exporters.html import page
from harness.report.tables import loop
from harness.report.tables.all import tables
from harness.report.view import View, view
from tests.factories import record, run
from tests.harness.report.looked import looked

PLAIN = run([record()])
WITH = dataclasses.replace(PLAIN, loops=looked())


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without charts, which take a second and are not looked at here."""
    monkeypatch.setitem(sys.modules, "harness.report.charts.all", None)


def shown() -> View:
    return view(loop.table(looked()), wide=True)


def test_a_row_is_a_program_with_a_time_and_a_ratio_for_each_number_of_steps() -> None:
    found = shown()
    assert [heading.text for heading in found.names] == ["year", "framework", "form"]
    assert [f"{heading.text} {heading.unit}".strip() for heading in found.values] == [
        *("breakpoint stops", "lines each product", "lines the last"),
        *("5 steps µs", "÷ last alone 5 steps", "500 steps µs", "÷ last alone 500 steps", "version"),
    ]
    torch, theano, _ = found.rows
    assert torch.name == "2016 Torch eager"
    assert [value.text for value in torch.values] == ["each step", "9", "8", "12.5", "1.50×", "1,250", "2.50×", "1.0"]
    assert torch.values[4].hint == "middle half of neighbouring rounds 1.25 to 1.75"
    assert [value.text for value in theano.values][3:] == ["40.0", "1.25×", "–", "–", "1.0"]


def test_a_program_that_was_not_run_has_its_reason() -> None:
    row = shown().rows[2]
    assert (row.is_hole, row.note) == (True, "skipped: its lock is missing")


def test_below_it_stands_where_a_debugger_stops_and_which_rounds_were_disturbed() -> None:
    stops, disturbed, where = shown().remarks
    assert stops == "Where a breakpoint in the loop stops, of 2 programs: each step in 1; once, in the trace in 1."
    assert disturbed == "Other work ran, or it waited: rounds got less than 90 % of a processor in Theano scan (50 %)."
    assert where.startswith("On A processor, one thread, one process each, by samestep of commit 0123456789:")


def test_the_page_has_it_with_the_programs_and_no_other_page_has() -> None:
    text = page(WITH, tables(WITH))
    assert '<section id="loop">' in text
    assert '<a href="#loop">' in text
    assert "&lt;b&gt;" in text.split('<section id="loop">')[1].split("</section>")[0]
    assert '#t-loop td:nth-child(4):not(.r)::before{content:"breakpoint stops"}' in text
    assert 'id="loop"' not in page(PLAIN, tables(PLAIN))


def test_of_an_older_samestep_it_has_no_titles_and_no_programs() -> None:
    older = tuple(dataclasses.replace(each, title="") for each in looked().rows)
    of_it = dataclasses.replace(PLAIN, loops=looked(rows=older, programs={}))
    text = page(of_it, tables(of_it)).split('<section id="loop">')[1].split("</section>")[0]
    assert '<th>2010<td class="n">theano' in text
    assert "The programs" not in text
