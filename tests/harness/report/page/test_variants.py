"""What the page and the terminal say of a run of variants: two variants of a framework are not two frameworks."""

import dataclasses
import functools
import json
import re
from typing import Any

import pytest

from harness.report import matrix, overview
from harness.report.claims.evidence import Evidence
from harness.report.exporters.html import page
from harness.report.hues import hue_numbers
from harness.report.page.opening import answers, opening
from harness.report.summary import summary, versions
from harness.report.tables import claims
from harness.report.tables.all import tables
from harness.validity.variants import references, variants
from tests.factories import cell, framework, record, run
from tests.harness.report.varied import records, resolved, varied_run

RUN = varied_run()
TABLES = tables(RUN)
CELLS = overview.cells(RUN, TABLES)


@functools.cache
def whole() -> str:
    return page(RUN, TABLES)


def data(shown: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', shown, re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


def test_the_section_stands_above_the_matrix_and_begins_with_what_is_told() -> None:
    shown = whole()
    places = [shown.index(f'<section id="{name}"') for name in ("variants", "overview", "steps")]
    assert places == sorted(places)
    section = shown[places[0] : places[1]]
    assert section.index("JAX@0.10.2 is told slower than JAX@0.9.2") < section.index("<table")
    assert '<a href="#variants"><b>What does another version change?</b>' in shown
    plain = run([record()])
    assert '<section id="variants">' not in page(plain, tables(plain))


def test_the_page_opens_with_the_first_variant_and_loses_no_sentence() -> None:
    found = opening(RUN, TABLES, CELLS, "")
    assert found.top[0].startswith("JAX@0.10.2 is told slower than JAX@0.9.2 in jit on mlp S: 1.0")
    assert {*found.top, *found.rest} >= {sentence for sentence in summary(RUN, TABLES) if "is told" in sentence}


def test_the_question_has_its_answer() -> None:
    assert answers(CELLS, (), TABLES.variants.rows)["variants"] == "2 of 6 steps told from the reference's"
    few = [dataclasses.replace(row, verdict=None) for row in TABLES.variants.rows]
    assert answers(CELLS, (), few)["variants"] == "2 of 6 steps measured apart from the reference's"


def test_the_reference_alone_is_ranked_among_frameworks() -> None:
    said = [sentence for sentence in summary(RUN, TABLES) if "shortest" in sentence]
    assert said
    assert all("0.10.2" not in sentence and "2.3.5" not in sentence for sentence in said)
    assert any("JAX@0.9.2 jit" in sentence for sentence in said)
    best = [each for each in CELLS if each.is_best or each.is_tied]
    assert {each.name for each in best} == {"JAX@0.9.2 jit"}, "0.10.2 has the shorter step on the regression"


def test_the_matrix_has_a_row_for_each_variant_and_says_which_compete() -> None:
    shown = matrix.matrix(CELLS, TABLES.code.rows, RUN.facts)
    assert shown
    assert {row.key for row in shown.rows} >= {"jax@0.9.2:jit", "jax@0.10.2:jit", "numpy:eager", "numpy@2.3.5:eager"}
    said = "JAX@0.10.2 and NumPy@2.3.5: not among what is compared for the best of a column; the variants have a table."
    assert said in shown.says
    assert {each.title for each in CELLS if not each.competes} == {"JAX@0.10.2", "NumPy@2.3.5"}


def test_of_each_measure_the_best_is_that_of_a_reference() -> None:
    one_work = varied_run([each for each in records() if each.cell.workload == "regression"])
    shown = matrix.matrix(overview.cells(one_work, tables(one_work)), (), one_work.facts)
    assert shown
    for at in range(len(shown.columns)):
        marked = {row.title for row in shown.rows if row.fields[at].is_best}
        assert marked.isdisjoint({"JAX@0.10.2", "NumPy@2.3.5"})


def test_the_script_knows_each_variant_by_its_name_with_the_hue_of_its_framework() -> None:
    known = data(whole())
    cells = [dict(zip(known["keys"], each, strict=True)) for each in known["cells"]]
    assert {each["framework"] for each in cells} == {"torch", "jax@0.9.2", "jax@0.10.2", "numpy", "numpy@2.3.5"}
    hues = known["hues"]
    assert hues["JAX@0.9.2"] == hues["JAX@0.10.2"] == hues["JAX"] != hues["NumPy@2.3.5"] == hues["NumPy"]
    assert known["rows"]["steps"] == list(range(len(cells))), "each row of a table has the cell of its variant"


def test_the_versions_of_each_variant_are_listed() -> None:
    found = {fact.name: fact.value for fact in versions(RUN)}
    assert (found["JAX@0.9.2"], found["JAX@0.10.2"], found["NumPy"]) == ("jax 0.9.2", "jax 0.10.2", "numpy 1.0")
    assert list(found) == ["PyTorch", "JAX@0.9.2", "JAX@0.10.2", "NumPy", "NumPy@2.3.5"]


def test_claims_are_about_the_locked_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Evidence] = []

    def looked(evidence: Evidence) -> tuple[()]:
        seen.append(evidence)
        return ()

    monkeypatch.setattr(claims, "claim_rows", looked)
    tables(RUN)
    (evidence,) = seen
    for rows in (evidence.steps, evidence.memory, evidence.reproducibility):
        assert {(row.cell.framework, row.cell.variant) for row in rows} == {("torch", ""), ("numpy", "")}


class TestVariants:
    def test_the_locked_one_comes_first_then_those_typed_then_others_by_name(self) -> None:
        found = [record(cell(framework="jax", variant=name)) for name in ("z", "0.9.2", "", "a", "0.10.2")]
        typed = (resolved("jax", "0.9.2"), resolved("jax", "0.10.2"))
        assert variants(run(found, variants=typed)) == {"jax": ("", "0.9.2", "0.10.2", "a", "z")}
        assert references(run(found[1:2], variants=typed)) == {"jax": "0.9.2"}

    def test_a_variant_of_an_unknown_framework_has_no_hue(self) -> None:
        found = run([record(cell(framework="gone", variant="1"))], frameworks=(framework("jax"),))
        assert hue_numbers(found) == {"jax": 1}


def test_a_run_of_memory_alone_tells_variants_apart() -> None:
    untimed = [
        dataclasses.replace(each, cell=dataclasses.replace(each.cell, track="memory"), timing=None)
        for each in records(1)
    ]
    shown = varied_run(untimed)
    found = overview.cells(shown, tables(shown))
    assert {each.framework for each in found} >= {"jax@0.9.2", "jax@0.10.2"}
    assert {each.framework for each in found if not each.competes} == {"jax@0.10.2", "numpy@2.3.5"}
