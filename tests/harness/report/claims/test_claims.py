"""The verdict that parts lead to, and the table in every format."""

import csv
import io

import pytest
from rich.console import Console

from harness.report import write
from harness.report.claims.claim import FAILS, HOLDS, NOT_TOLD, Finding, Part, Verdict, judged, verdict
from harness.report.claims.rules import lines_of_code
from harness.report.exporters.console import print_table
from harness.report.exporters.csv import to_csv
from harness.report.summary import summary
from harness.report.tables.all import Tables, tables
from harness.report.tables.claims import sentence
from harness.report.view import view
from harness.validity.results import Run
from tests import factories
from tests.harness.report.claims.runs import LOUD, hellos, on_gpu, row, run, timed

FAST = timed({"torch eager": 100, "torch compile": 50})


def finding(*agrees: bool | None, **changes: tuple[str, ...]) -> Finding:
    return Finding(parts=tuple(Part(subject=str(at), agrees=each) for at, each in enumerate(agrees)), **changes)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding(True, True), HOLDS),
        (finding(True, None), NOT_TOLD),
        (finding(True, False, None), FAILS),
        (finding(False, lacking=("JAX",)), FAILS),
        (finding(True, lacking=("JAX",)), NOT_TOLD),
        (finding(), None),
        (finding(lacking=("JAX",)), None),
        (finding(unusable=("JAX jit: failed",)), NOT_TOLD),
        (finding(True, unusable=("JAX jit: failed",)), HOLDS),
        (Finding(parts=(Part(subject="beside", agrees=False, counts=False), Part(subject="a", agrees=True))), HOLDS),
    ],
)
def test_the_verdict_of_parts(found: Finding, said: Verdict | None) -> None:
    assert verdict(found) == said


def test_ratios_of_all_claims_are_one_family_for_holm() -> None:
    """A difference that is told alone is not told among many that are noise."""
    alone = timed({"torch eager": 100, "torch compile": 95}, noise=0.03)
    assert row("static-graph", alone).verdict == HOLDS
    noise = [
        one
        for at in range(40)
        for one in timed({"torch eager": 100, "torch compile": 100}, noise=LOUD, workload=f"noise{at}")
    ]
    assert row("static-graph", [*alone, *noise]).measured.endswith("(41 not told)")


def test_what_is_judged_keeps_the_order_of_the_parts() -> None:
    plain = finding(True, False, None)
    assert judged([plain, Finding()], 0.01) == (plain, Finding())


def test_the_rule_alone_says_nothing_of_a_ratio() -> None:
    """No rule knows a verdict: ratios are judged together, and a first look judges none."""
    quick = row("static-graph", FAST, profile="quick")
    assert quick.measured == "Speed-up of a step over eager: PyTorch compile 2.00× (2.00 to 2.00)"
    assert "agrees" in row("static-graph", FAST).measured
    assert lines_of_code.__doc__


@pytest.fixture(scope="module")
def shown() -> Run:
    return run([*FAST, *hellos({"torch": 14, "tensorflow": 12, "keras_tensorflow": 7, "fastai": 7})])


@pytest.fixture(scope="module")
def found(shown: Run) -> Tables:
    return tables(shown)


class TestTable:
    def test_columns(self, found: Tables) -> None:
        assert found.claims.header == ("claim", "words", "verdict", "measured", "needs", "command")

    def test_a_row_in_the_csv(self, found: Tables) -> None:
        rows = {one["claim"]: one for one in csv.DictReader(io.StringIO(to_csv(found.claims)))}
        assert len(rows) == 15
        assert rows["static-graph"]["verdict"] == HOLDS
        assert rows["lines-of-code"]["verdict"] == FAILS
        assert rows["gpu-memory"] == {
            "claim": "gpu-memory",
            "words": "TensorFlow takes GPU memory greedily, PyTorch step by step, JAX beforehand",
            "verdict": "",
            "measured": "",
            "needs": "cells that this run does not have",
            "command": "samestep run --framework tensorflow,torch,jax --measure memory --device cuda",
        }

    def test_the_terminal_prints_it_when_asked_and_breaks_no_command(self, found: Tables) -> None:
        console = Console(file=io.StringIO(), width=60)
        print_table(view(found.claims, wide=False), console)
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        assert "A static graph is faster than eager execution" in lines
        assert "  verdict: holds" in lines
        assert "  samestep run --framework tensorflow,torch,jax --measure memory --device cuda" in lines
        assert all(len(line) <= 60 for line in lines if "samestep run" not in line)

    def test_the_report_in_the_terminal_has_one_sentence_instead(self, shown: Run, found: Tables) -> None:
        said = (
            "Of 15 claims that are made of these frameworks, 2 hold, 1 do not hold here and 12 have no cells here"
            " (table claims)."
        )
        console = Console(file=io.StringIO(), width=200)
        write.show(shown, console)
        assert isinstance(console.file, io.StringIO)
        assert "Claims." not in console.file.getvalue()
        assert said in summary(shown, found)

    def test_a_first_look_has_no_such_sentence(self) -> None:
        quick = run(hellos({"torch": 14}), profile="quick")
        assert sentence(tables(quick).claims.rows) != ""
        assert not any("claims" in one for one in summary(quick, tables(quick)))

    def test_page_and_markdown_have_it(self, shown: Run) -> None:
        page = write.render(shown, "html")
        assert '<section id="claims">' in page
        assert 'href="#claims"' in page
        assert "A static graph is faster than eager execution" in page
        assert "| A static graph is faster than eager execution | holds |" in write.render(shown, "md", "claims")

    def test_a_run_without_times_shows_it_only_for_what_needs_none(self) -> None:
        gpu = [on_gpu("torch", before=0.5, peak=1, allocated=0.5)]
        with_claim, without = run(gpu, device="cuda"), run([])
        assert "claims" in [table.name for table in tables(with_claim).shown(with_claim)]
        assert tables(without).claims.rows == ()

    def test_a_title_that_is_markup_is_text(self) -> None:
        offer = factories.framework("torch", title="<b>|*x*", baseline="")
        shown = factories.run(FAST, frameworks=(offer,))
        assert "<b>|" not in write.render(shown, "html")
        assert "&lt;b&gt;|*x* compile" in write.render(shown, "html")
        assert r"\<b\>\|\*x\* compile" in write.render(shown, "md", "claims")
