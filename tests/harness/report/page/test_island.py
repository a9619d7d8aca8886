"""The data of the page's script: no text leaves its element, and JSON stays JSON."""

import json
import math

import pytest

from harness.report import matrix, overview
from harness.report.page import island
from harness.report.tables.all import tables
from tests import factories
from tests.factories import cell, record, run

HOSTILE = ("</script>", "<!--", "<script>", "\u2028", "\u2029", "]]>", "&lt;", "\x00", "\ud800", '"\\')


@pytest.mark.parametrize("text", HOSTILE, ids=[f"text-{at}" for at in range(len(HOSTILE))])
def test_a_text_comes_back_and_never_ends_the_element(text: str) -> None:
    made = island.script_json({"text": [text, {text: text}]})
    assert not set("<>&\u2028\u2029") & set(made)
    made.encode()
    back = json.loads(made)["text"][0]
    assert back == (text if text != "\ud800" else "?")


def test_numbers_are_short_and_those_that_json_lacks_are_null() -> None:
    assert island.script_json([1234567.891, math.nan, math.inf, 3, True, None]) == "[1234570.0,null,null,3,true,null]"


def test_says_which_row_belongs_to_which_cell() -> None:
    offer = factories.framework(modes=("eager", "compile"), hello="x = 1", hello_lines=1)
    shown = run([record(cell(mode="eager")), record(cell(mode="compile")), factories.idiomatic()], frameworks=(offer,))
    computed = tables(shown)
    found = overview.cells(shown, computed)
    made = matrix.matrix(found, computed.code.rows, shown.facts)
    rows = {table.name: table.rows for table in computed}
    data = json.loads(island.page_data(found, made, rows, hues={"PyTorch": 1}, lines={"torch": 1}))
    assert data["rows"]["steps"] == [0, 1]
    assert data["rows"]["memory"] == [0, 1]
    assert data["rows"]["code"] == ["torch"]  # its cell has no step: only its framework is known
    values = dict(zip(data["keys"], data["cells"][1], strict=True))
    assert (values["mode"], values["step_ns"], values["low_ns"]) == ("compile", 100_000.0, None)
    assert data["matrix"]["columns"][0] == "step"


def test_the_policy_names_each_script() -> None:
    assert island.csp(["a", "b"]) == "'sha256-a' 'sha256-b'"
