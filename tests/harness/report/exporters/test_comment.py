"""A comment for a pull request: it is never too long, says what is missing, and is valid on GitHub."""

import itertools
import re
from collections.abc import Sequence

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.compare.compare import compare
from harness.compare.render import render as render_comparison
from harness.report.exporters import github
from harness.report.exporters.comment import ENDING, LIMIT, Part, details, within_limit
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests import factories
from tests.harness.report.example import example

LEFT_OUT = re.compile(r"Left out, because a comment has room for [\d,]+ characters: (.*)\. Elsewhere\.$")


def parts() -> list[Part]:
    rows = tuple(f"| {number} | é |" for number in range(100))
    return [
        Part(name="the summary", head="# Title", lines=("- one", "- two")),
        details("Steps", "Steps: 100 rows", rows, head="| a | b |\n| --- | --- |", tail="\n\nA remark."),
        details("Session", "Session: 1 row", ["| x |"], head="| s |\n| --- |"),
    ]


@pytest.mark.parametrize("limit", [2_100, 2_300, 2_700, 3_000, 3_100, 3_200, 3_300, 4_000])
def test_a_text_is_never_longer_than_its_limit_and_accounts_for_all_lines(limit: int) -> None:
    text = within_limit(parts(), "Elsewhere.", limit)
    assert len(text.encode()) <= limit
    assert len(text.partition("\n\nLeft out")[0].encode()) <= limit - ENDING
    assert text.count("<details>") == text.count("</details>")
    shown = len(re.findall(r"^\| \d+ \| é \|$", text, re.MULTILINE))
    said = LEFT_OUT.search(text.rstrip())
    if shown == 100:
        assert "The first" not in text
    elif shown:
        assert f"The first {shown} of 100 rows." in text
        assert said
        assert f"{100 - shown} rows of Steps" in said[1]
    else:
        assert said
        assert "Steps" in said[1]
    assert ("| x |" in text) == (said is None or "Session" not in said[1])


def test_what_fits_is_whole_and_says_nothing_of_it() -> None:
    text = within_limit(parts(), "Elsewhere.")
    assert "Left out" not in text
    assert text.count("é") == 100


def many(cells: int) -> Run:
    """A run of that many cells; a tenth failed, each for a long reason of its own."""
    names = itertools.islice(itertools.product(range(10), "abcdefghij", ("S", "M", "L", "XL", "XXL")), cells)
    of = [factories.cell(mode=f"mode-{number}", workload=f"work-{letter}", size=size) for number, letter, size in names]
    good = [
        factories.record(cell, block=block, round_ns=[1000 * (at + 1)] * 4)
        for at, cell in enumerate(of) for block in (1, 2) if at % 10
    ]  # fmt: skip
    bad = [
        factories.record(cell, status="failed", reason=f"{at}: {'why ' * 120}")
        for at, cell in enumerate(of)
        if at % 10 == 0
    ]
    return factories.run([*good, *bad])


def test_a_run_of_500_cells_fits_and_shows_every_step() -> None:
    run = many(500)
    text = github.comment(run, tables(run))
    assert len(text) <= len(text.encode()) <= LIMIT
    assert len(re.findall(r"^\| torch \| mode-\d+ \|", text.replace("Torch", "torch"), re.MULTILINE)) >= 10
    assert "Left out, because" in text
    assert "samestep report" in text


def test_the_overview_has_each_step_and_its_ratio_to_the_shortest_of_its_column() -> None:
    steps = {("eager", "adam"): 3000, ("eager", "sgd"): 9000, ("compile", "adam"): 2000, ("compile", "sgd"): 4500}
    records = [
        factories.record(factories.cell(mode=mode, optimizer=optimizer), block=block, round_ns=[ns] * 5)
        for (mode, optimizer), ns in steps.items() for block in (1, 2, 3)
    ]  # fmt: skip
    run = factories.run(records)
    text = github.comment(run, tables(run))
    assert re.search(r"\| eager \| 3\.00 µs \(1\.50×\) \| 9\.00 µs \(2\.00×\) \|", text)
    assert re.search(r"\| compile \| 2\.00 µs \(1×\) \| 4\.50 µs \(1×\) \|", text)


def test_what_failed_stands_open_with_its_reason_once() -> None:
    failed = [
        factories.record(factories.cell(mode=mode), status="failed", reason="no memory")
        for mode in ("eager", "compile")
    ]
    run = factories.run(failed)
    text = github.comment(run, tables(run))
    assert "- **failed**: torch eager regression adam, torch compile regression adam: no memory" in text
    assert text.index("no memory") < text.index("<details>")


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def tables_in(tokens: Sequence[Token]) -> list[list[int]]:
    """The number of fields of each row of each table."""
    found: list[list[int]] = []
    for token in tokens:
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append(0)
        elif token.type in ("th_open", "td_open"):
            found[-1][-1] += 1
    return found


def test_a_parser_finds_every_table_of_a_real_run_with_rows_of_equal_length() -> None:
    run = example("quick", 3)
    computed = tables(run)
    found = tables_in(parsed(github.comment(run, computed)))
    shown = [table for table in computed.shown(run) if table.rows]
    assert len(found) == 1 + len(shown)
    assert [len(rows) - 1 for rows in found[1:]] == [len(table.rows) for table in shown]
    assert all(len(set(rows)) == 1 for rows in found)


def test_a_comparison_fits_too_and_loses_no_cell() -> None:
    run = example("quick", 3)
    text = render_comparison(compare(run, run), "github")
    assert len(text.encode()) <= LIMIT
    (of,) = [len(rows) - 1 for rows in tables_in(parsed(render_comparison(compare(run, run), "md")))]
    assert sum(len(rows) - 1 for rows in tables_in(parsed(text))) == of
