"""Texts of a framework in every format: they are shown, and do nothing."""

import csv
import io
import json
import re
import xml.dom.minidom
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from rich.console import Console

from harness.compare import render as compared
from harness.compare.compare import compare
from harness.format import to_json
from harness.plan.plan import make_plan
from harness.report.charts.all import charts
from harness.report.exporters import csv as as_csv
from harness.report.exporters import html, markdown
from harness.report.tables.all import TABLES, tables
from harness.report.write import render, show
from harness.store.folder import create
from harness.validity.results import Run, load
from tests import factories

MODE = "=$x$[/]<b>|*_`:x:"
REASON = (
    "import: caf\udce9.py \x1b[31mred\x1b[0m \x1b]0;owned\x07 \x00\x85\u202e [bold]x[/nothing] |"
    " <script>alert(1)</script> ![x](http://a) `$y$\nsecond line " + "x" * (1 << 20)
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Cells with a name and a reason that would do harm in a terminal, a page, Markdown or a spreadsheet."""
    good, bad = factories.cell(mode=MODE), factories.cell(mode="bad")
    folder = create(tmp_path, "run")
    offer = factories.framework(modes=(MODE, "bad"), title="A <i>$z$", sentence=REASON, baseline="")
    folder.write_facts(factories.run_facts(id="[/]<b>|run", frameworks=(offer,)))
    folder.write_plan(make_plan((good, bad), blocks=6, seed=1))
    for block in range(1, 7):
        environment = factories.environment(versions=(REASON,))
        proof = factories.proof(mode=MODE, evidence=REASON)
        folder.append(factories.record(good, block=block, environment=environment, proof=proof))
        failure = factories.failure(tail=(REASON,) * 40)
        folder.append(factories.record(bad, block=block, status="failed", reason=REASON, failure=failure))
        folder.write_log(factories.record(factories.cell(mode="../../x")), REASON)
    logs = list((folder.path / "logs").iterdir())
    assert [log.name for log in logs] == ["0001-torch-.._.._x.log"]
    assert CONTROL.search(logs[0].read_text()) is None
    return load(folder)


def test_no_format_holds_a_control_character_or_grows(run: Run) -> None:
    computed = tables(run)
    console = Console(file=io.StringIO(), width=120)
    show(run, console)
    assert isinstance(console.file, io.StringIO)
    texts = [console.file.getvalue(), html.page(run, computed, so_far="So far."), render(run, "pytest-benchmark")]
    texts += [render(run, "md"), *markdown.files(run, computed).values(), *as_csv.files(run, computed).values()]
    for text in texts:
        assert CONTROL.search(text) is None
        assert len(text) < 300_000
    assert r"caf\xe9.py red" in texts[0].replace("\n", " ")
    assert MODE in texts[0]


def test_the_page_escapes_it(run: Run) -> None:
    page = html.page(run, tables(run), so_far="So far.")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<i>$z$" not in page


def test_a_chart_draws_names_as_they_are(run: Run) -> None:
    drawn = {chart.name: chart for chart in charts(run, tables(run))}
    for chart in drawn.values():
        for svg in (chart.svg, chart.narrow_svg):
            xml.dom.minidom.parseString(svg)
            assert CONTROL.search(svg) is None
            assert "<b>" not in svg
    assert f">{escape(MODE)}</text>" in drawn["steps"].svg


def test_markdown_escapes_it(run: Run) -> None:
    for name in TABLES:
        text = render(run, "md", name)
        assert not re.search(r"(?<!\\)<script|(?<!\\)<i>|(?<!\\)!?\[x\]|(?<!\\)`", text)
    rows = [line for line in render(run, "md", "steps").splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {len(re.findall(r"\|", rows[0]))}


@pytest.mark.parametrize("text", ["# one", "- one", "1. one", "2) one", "=one", "+ one"])
def test_a_line_of_markdown_begins_no_heading_and_no_list(text: str) -> None:
    assert markdown.escape(text).replace("\\", "") == text
    assert "\\" in markdown.escape(text)


def test_a_field_of_csv_is_no_formula(run: Run) -> None:
    for text in (render(run, "csv", "steps"), compared.render(compare(run, run), "csv")):
        header, *rows = csv.reader(io.StringIO(text))
        assert f"'{MODE}" in rows[0]
        for row in rows:
            assert len(row) == len(header)
            assert not [field for field in row if field[:1] in "=@\t\r" and field]


@pytest.mark.parametrize(
    ("value", "field"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-cmd", "'-cmd"), (" +1", "' +1"), (-1.5, "-1.5"), (-3, "-3"), ("a=b", "a=b")],
)
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(value: str | float, field: str) -> None:
    assert as_csv.field(value) == field


def test_a_comparison_prints_it(run: Run) -> None:
    console = Console(file=io.StringIO(), width=300)
    compared.show(compare(run, run), console)
    assert isinstance(console.file, io.StringIO)
    assert MODE in console.file.getvalue()


def test_json_has_no_number_that_json_lacks() -> None:
    data = {"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (-float("inf"), "x")}}
    assert json.loads(to_json(data), parse_constant=pytest.fail) == {
        "a": None, "b": [1.5, None], "c": {"d": [None, "x"]},
    }  # fmt: skip
