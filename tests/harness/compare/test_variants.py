"""Two variants of a framework, compared: in one run, and in two."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from harness import commands
from harness.compare import render
from harness.compare.choice import Choice, parsed
from harness.compare.compare import Comparison, compare
from harness.errors import SelectionError
from harness.plan.plan import make_plan
from harness.store import folder as store
from harness.validity.results import Run
from tests import factories
from tests.harness.report.varied import records, varied_run

RUN = varied_run()


def of(a: str, b: str, run_a: Run = RUN, run_b: Run = RUN, threshold: float | None = None) -> Comparison:
    return compare(run_a, run_b, (parsed(f"run:{a}"), parsed(f":{b}")), threshold)


def only(*names: str) -> Run:
    """The run with these frameworks alone."""
    return varied_run([each for each in records() if each.cell.framework_id in names])


class TestChoice:
    def test_a_framework_is_named_as_in_a_run(self) -> None:
        assert parsed("run:framework=jax@0.9.2,jax@0.10.2") == Choice("run", {"framework": ("jax@0.9.2", "jax@0.10.2")})
        typed = "run:framework=keras_jax@keras==3.14,jax==0.10.2,torch,numpy@2.2.0,py3.12,mode=eager"
        assert parsed(typed).fields == {
            "framework": ("keras_jax@keras==3.14,jax==0.10.2", "torch", "numpy@2.2.0,py3.12"), "mode": ("eager",),
        }  # fmt: skip

    def test_without_a_variant_it_is_the_locked_environment(self) -> None:
        old = factories.cell(framework="jax", variant="0.9.2")
        locked = factories.cell(framework="jax")
        assert [Choice("", {"framework": ("jax",)}).has(each) for each in (locked, old)] == [True, False]
        assert [Choice("", {"framework": ("jax@0.9.2",)}).has(each) for each in (locked, old)] == [False, True]

    def test_the_variant_can_be_chosen_beside_it(self) -> None:
        old = factories.cell(framework="jax", variant="0.9.2")
        assert parsed("run:framework=jax,variant=0.9.2").has(old)
        assert not parsed("run:framework=jax,variant=0.10.2").has(old)

    def test_one_that_the_run_lacks_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(SelectionError, match=r"no framework 'jax@0.9.3'. Did you mean jax@0.9.2 or jax@0.10.2\?"):
            of("framework=jax@0.9.3", "framework=jax@0.10.2")


class TestOneRun:
    def test_two_variants_are_set_against_each_other_cell_by_cell(self) -> None:
        found = of("framework=jax@0.9.2", "framework=jax@0.10.2")
        ratios = {(each.b.mode, each.b.workload): each.step.value for each in found.cells}
        assert ratios == {
            ("op-by-op", "mlp"): pytest.approx(1.0, abs=5e-3),
            ("op-by-op", "regression"): pytest.approx(1.0, abs=5e-3),
            ("jit", "mlp"): pytest.approx(1.04, rel=5e-3),
            ("jit", "regression"): pytest.approx(0.95, rel=5e-3),
        }
        assert found.paired
        assert found.unmatched == ()
        assert (found.count("slower"), found.count("faster")) == (1, 1)
        assert found.cells[-1].what.startswith("jax@0.9.2 → jax@0.10.2 ")

    def test_the_locked_environment_is_one_of_them(self) -> None:
        found = of("framework=numpy", "framework=numpy@2.3.5")
        assert {(each.a.variant, each.b.variant) for each in found.cells} == {("", "2.3.5")}
        assert found.count("same") == 2

    def test_only_what_was_chosen_is_named_as_other_software(self) -> None:
        found = of("framework=jax@0.9.2", "framework=jax@0.10.2")
        assert found.unlike == ("jax: jax==0.9.2 (jax@0.9.2), jax==0.10.2 (jax@0.10.2)",)

    def test_modes_are_compared_within_each_variant(self) -> None:
        found = of("framework=jax@0.9.2,jax@0.10.2,mode=op-by-op", "mode=jit")
        assert {(each.a.variant, each.b.variant) for each in found.cells} == {
            ("0.9.2", "0.9.2"), ("0.10.2", "0.10.2"),
        }  # fmt: skip
        assert found.unlike == ()

    def test_two_variants_against_one_are_refused(self) -> None:
        with pytest.raises(SelectionError, match="would both be compared with one cell: name one of them"):
            of("framework=jax@0.9.2,jax@0.10.2", "framework=jax@0.9.2,numpy")

    def test_the_table_names_both(self) -> None:
        text = io.StringIO()
        render.show(of("framework=jax@0.9.2", "framework=jax@0.10.2"), Console(file=text, width=160))
        assert "jax@0.9.2 µs" in text.getvalue()
        assert "jax@0.10.2 is" in text.getvalue()
        row = render.render(of("framework=jax@0.9.2", "framework=jax@0.10.2"), "csv").splitlines()
        assert "a_variant" in row[0]
        assert ",0.9.2," in row[1]


class TestTwoRuns:
    def test_the_same_variant_of_both_is_matched(self) -> None:
        found = compare(RUN, dataclasses.replace(RUN))
        assert len(found.cells) == 16
        assert {(each.a.variant, each.b.variant) for each in found.cells} == {
            ("", ""), ("0.9.2", "0.9.2"), ("0.10.2", "0.10.2"), ("2.3.5", "2.3.5"),
        }  # fmt: skip

    def test_what_one_lacks_is_said_with_the_variants_that_it_has(self) -> None:
        found = compare(only("jax@0.9.2", "numpy"), only("jax@0.10.2", "numpy"))
        assert {each.why for each in found.unmatched} == {
            "B has it in another variant only: 0.10.2", "A has it in another variant only: 0.9.2",
        }  # fmt: skip

    def test_variants_of_two_runs_are_compared_where_they_are_named(self) -> None:
        found = of("framework=jax@0.9.2", "framework=jax@0.10.2", only("jax@0.9.2"), only("jax@0.10.2"))
        assert found.count("slower") == 1


@pytest.mark.parametrize(("threshold", "code"), [("2%", 3), ("10%", 0)], ids=["less", "more"])
def test_the_exit_code_says_whether_the_new_version_is_slower(
    threshold: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = varied_run(id="bump")
    folder = store.create(tmp_path, "bump")
    folder.write_facts(shown.facts)
    cells = tuple(dict.fromkeys(each.cell for each in shown.records))
    folder.write_plan(make_plan(cells, blocks=6, seed=shown.facts.seed))
    for each in shown.records:
        folder.append(each)
    ended = commands.compare(
        "bump:framework=jax@0.9.2", ":framework=jax@0.10.2",
        fail_on="slower", threshold=threshold, results=tmp_path, format="github",
    )  # fmt: skip
    assert ended == code
    said = capsys.readouterr().out
    assert "jax@" in said
    assert ("1 slower" in said) == (code == 3)
