"""Lean rows, and the packing of those that a large page has no room for."""

import base64
import gzip

import pytest

from harness.report.page import bodies
from harness.report.page.bodies import Body
from harness.report.tables.all import Tables, tables
from harness.report.view import view
from harness.validity.results import Run
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.example import example
from tests.harness.report.multiplied import ladders, large
from tests.harness.report.scaled import scaled_run

EVIL = "</td><script>alert(1)</script>\"'"


def made(shown: Run, computed: Tables | None = None) -> dict[str, Body]:
    views = [view(table, wide=True) for table in computed or tables(shown)]
    return dict(bodies.bodies(views, {}, frozenset({"failed"})))


def test_a_number_is_written_without_what_the_script_can_read_from_it() -> None:
    html = made(run([record()]))["steps"].html
    assert "<td>100" in html
    assert "data-sort" not in html
    assert "</td>" not in html


def test_a_range_has_the_number_that_it_is_sorted_by() -> None:
    shown = run([record(block=block, round_ns=(ns,) * 3) for block, ns in ((1, 100_000), (2, 900_000))])
    assert '<td data-sort="300">100–900' in made(shown)["steps"].html


def test_a_value_that_is_missing_is_an_empty_field() -> None:
    shown = run([record(cell(mode="eager")), record(cell(mode="compile"), accuracy=None, proof=None)])
    assert "–" not in made(shown)["steps"].html


@pytest.mark.parametrize("field", ["title", "reason", "mode"])
def test_texts_of_records_are_escaped(field: str) -> None:
    offer = factories.framework(title=EVIL if field == "title" else "T", modes=(EVIL,))
    bad = record(
        cell(mode=EVIL if field == "mode" else "x"), status="failed", reason=EVIL if field == "reason" else "broke"
    )
    shown = run([bad, record(cell(mode="y"))], frameworks=(offer,))
    for body in made(shown).values():
        assert "<script" not in body.html


def test_the_styles_of_a_narrow_page_leave_no_text_out_of_its_string() -> None:
    assert bodies._css_string('a"b\\</style>\n') == '"a\\22 b\\5c \\3c /style\\3e \\a "'
    sheet = bodies.labels([view(table, wide=True) for table in tables(example())])
    assert '#t-steps td:nth-child(3):not(.r)::before{content:"step µs"}' in sheet


def test_the_ranks_and_their_scaling_have_headings_on_a_narrow_page_and_the_mode_has_none() -> None:
    shown = view(tables(scaled_run()).scaling, wide=True)
    assert [heading.text for heading in shown.names] == ["framework", "mode", "size", "ranks", "scaling"]
    sheet = bodies.labels([shown]).splitlines()
    assert "#t-scaling td:nth-child(4){grid-column:auto}" in sheet
    assert '#t-scaling td:nth-child(4):not(.r)::before{content:"ranks"}' in sheet
    assert '#t-scaling td:nth-child(5):not(.r)::before{content:"scaling"}' in sheet
    assert not any("td:nth-child(2)" in rule for rule in sheet)


def test_a_large_run_has_its_least_important_tables_packed_and_nothing_is_lost() -> None:
    computed = tables(large())
    found = made(large(), computed)
    packed = {name for name, body in found.items() if body.packed}
    assert "accuracy" in packed
    assert "steps" not in packed
    assert sum(len(body.html) for body in found.values()) <= bodies.INLINE_BYTES
    rows = gzip.decompress(base64.b64decode(found["accuracy"].packed)).decode()
    assert rows.count("<tr") == len(computed.accuracy.rows)
    assert not any(body.packed for body in made(ladders()).values())


def test_packing_gives_the_same_twice() -> None:
    assert bodies.packed("x" * 1000) == bodies.packed("x" * 1000)
