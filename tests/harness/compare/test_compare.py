"""Two runs, or two selections, compared: ratios by hand, and verdicts only where there is enough to stand on."""

import csv
import dataclasses
import io
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.records.record import Record
from bench.records.schema import SCHEMA
from harness import commands
from harness.compare import render, threshold
from harness.compare.choice import parsed
from harness.compare.compare import Comparison, compare
from harness.compare.conditions import CONDITIONS
from harness.errors import SelectionError, StoreError
from harness.plan.plan import make_plan
from harness.store import folder as store
from harness.validity.results import Run
from tests import factories
from tests.harness.compare.test_sessions import sentinel


def made(steps_us: Sequence[float], mode: str = "eager", launcher: str = "venv", **changes: object) -> Run:
    """A run of one cell whose replicates took these times a step."""
    cell = factories.cell(mode=mode)
    records = [
        factories.record(cell, block=block, round_ns=(round(step * 1000),) * 5)
        for block, step in enumerate(steps_us, start=1)
    ]
    return factories.run(records, launcher=launcher, **changes)


def test_ratio_is_the_geometric_mean_over_blocks() -> None:
    found = compare(made([100, 100]), made([110, 120], launcher="docker"))
    (cell,) = found.cells
    assert cell.step.value == pytest.approx(math.sqrt(1.1 * 1.2))
    assert cell.first_step.value == pytest.approx(1.0)
    assert (cell.a_step_ns, cell.b_step_ns) == pytest.approx((100e3, math.sqrt(110 * 120) * 1e3))


def test_drift_that_both_runs_share_cancels() -> None:
    drift = [100, 110, 125, 140, 160, 190]
    found = compare(made(drift), made([step * 1.05 for step in drift]))
    assert found.cells[0].step.value == pytest.approx(1.05, rel=1e-3)
    assert found.cells[0].verdict == "slower"


def test_fewer_than_six_blocks_give_no_verdict() -> None:
    found = compare(made([100, 101, 100]), made([200, 201, 200]))
    assert found.cells[0].step.value == pytest.approx(2, rel=1e-2)
    assert found.cells[0].verdict == "undetermined"


def test_the_same_run_is_the_same() -> None:
    run = made([100, 101, 102, 99, 100, 98])
    assert compare(run, run).cells[0].verdict == "same"


def test_runs_without_a_cell_in_common_are_refused() -> None:
    with pytest.raises(SelectionError, match="no cell with a valid time in the same block"):
        compare(made([100, 100]), made([100, 100], mode="compile"))


def test_the_table_names_the_launchers_and_the_ratio() -> None:
    a, b = made([100.0] * 6), made([103.0] * 6, launcher="docker")
    text = io.StringIO()
    render.show(compare(a, b), Console(file=text, width=160))
    assert "venv µs" in text.getvalue()
    assert "1.030 (1.030 to 1.030)" in text.getvalue()
    assert "slower" in text.getvalue()


def test_what_else_differs_is_said() -> None:
    a = made([100, 100])
    b = made([100, 100], launcher="docker")
    other = factories.environment(python="3.11.2")
    b = dataclasses.replace(b, records=tuple(dataclasses.replace(one, environment=other) for one in b.records))
    assert compare(a, a).unlike == ()
    assert compare(a, b).unlike == ("torch: Python 3.11.7 (venv), Python 3.11.2 (docker)",)


def with_variables(run: Run, *variables: str) -> Run:
    """The run, each replicate with these variables and a hash seed of its own."""
    records = tuple(
        dataclasses.replace(
            one, environment=factories.environment(variables=(f"PYTHONHASHSEED={one.block}", *variables))
        )
        for one in run.records
    )
    return dataclasses.replace(run, records=records)


def test_variables_that_differ_are_named() -> None:
    a = with_variables(made([100, 100]), "OMP_NUM_THREADS=1", "PATH=/usr/bin", "XLA_FLAGS=--one")
    b = with_variables(made([100, 100], launcher="docker"), "NEW=1", "OMP_NUM_THREADS=1", f"PATH={'/bin:' * 20}")
    assert compare(a, a).unlike == ()
    assert compare(a, b).unlike == (
        "torch: variable NEW not set (venv), 1 (docker)",
        "torch: variable PATH is not the same",
        "torch: variable XLA_FLAGS --one (venv), not set (docker)",
    )
    older = made([100, 100], launcher="docker")  # its records have no variables
    assert compare(a, older).unlike == ()


class TestSelections:
    def grid(self, **changes: Any) -> Run:
        """Eager and compile of torch and jax, six blocks; compile is twice as fast, jax four times."""
        records = [
            factories.record(
                factories.cell(framework=framework, mode=mode), block=block, round_ns=(round(8000 / speed / faster),)
            )
            for block in range(1, 7)
            for framework, speed in (("torch", 1), ("jax", 4))
            for mode, faster in (("eager", 1), ("compile", 2))
        ]
        return factories.run(records, **changes)

    def test_two_modes_of_one_run_are_paired_framework_by_framework(self) -> None:
        found = compare(self.grid(), self.grid(), (parsed("x:mode=eager"), parsed(":mode=compile")))
        assert {(one.what, one.verdict) for one in found.cells} == {
            ("jax eager → compile regression adam", "faster"),
            ("torch eager → compile regression adam", "faster"),
        }
        assert [one.step.value for one in found.cells] == pytest.approx([0.5, 0.5])
        assert (found.a.label, found.b.label, found.paired) == ("eager", "compile", True)

    def test_ranks_are_fields_like_others_and_both_sides_are_named(self) -> None:
        found = factories.run(
            [
                factories.ranked(ranks, scaling, block=block, step_us=us)
                for ranks, scaling, us in ((1, "strong", 100), (2, "strong", 60), (2, "weak", 110))
                for block in (1, 2)
            ]
        )
        (one,) = compare(found, found, (parsed("R:ranks=1"), parsed("R:ranks=2,scaling=strong"))).cells
        assert one.what == "torch ddp mlp S adam, 1 rank → 2 ranks, strong"
        assert one.step.value == pytest.approx(0.6)
        cells = compare(found, found).cells
        assert [each.what for each in cells] == [
            f"torch ddp mlp S adam, {over}" for over in ("1 rank", "2 ranks, strong", "2 ranks, weak")
        ]

    def test_fields_that_one_side_alone_chooses_are_still_matched(self) -> None:
        found = compare(self.grid(), self.grid(), (parsed("x:framework=torch,mode=eager"), parsed("x:framework=jax")))
        (one,) = found.cells
        assert one.what == "torch → jax eager regression adam"
        assert one.step.value == pytest.approx(0.25)
        assert [(other.cell.mode, other.why) for other in found.unmatched] == [("compile", "not in torch eager")]

    def test_what_both_sides_choose_alike_is_matched_value_by_value(self) -> None:
        both = parsed("x:mode=eager,compile")
        assert len(compare(self.grid(), self.grid(), (both, both)).cells) == 4

    def test_several_cells_for_one_are_refused(self) -> None:
        with pytest.raises(SelectionError, match="would both be compared with one cell: name one of them"):
            compare(self.grid(), self.grid(), (parsed("x:framework=torch,jax"), parsed("x:framework=jax")))


class TestUnmatched:
    def whys(self, a: Run, b: Run) -> dict[str, str]:
        return {f"{one.cell.framework} {one.side}".strip(): one.why for one in compare(a, b).unmatched}

    def test_each_cell_without_a_counterpart_says_why(self) -> None:
        def records(**precision: str) -> list[Record]:
            cells = [factories.cell(framework=name, precision=of) for name, of in precision.items()]
            return [factories.record(cell, block=block) for cell in cells for block in (1, 2)]

        a = records(torch="float32", jax="float32", flax="float32", fastai="float32")
        b = records(torch="float32", jax="bfloat16", keras_jax="float32")
        b.append(factories.record(factories.cell(framework="flax"), status="invalid", reason="it fell back"))
        b += [factories.record(factories.cell(framework="fastai"), block=block) for block in (3, 4)]
        assert self.whys(factories.run(a), factories.run(b)) == {
            "jax A": "B has it in another precision only: bfloat16",
            "jax B": "A has it in another precision only: float32",
            "keras_jax B": "not in A",
            "flax": "B: invalid, it fell back",
            "fastai": "no finished block in common",
        }

    def test_an_interrupted_block_is_not_paired_and_said(self) -> None:
        a, b = made([100, 100, 400]), made([100, 100, 100], launcher="docker")
        found = compare(dataclasses.replace(a, incomplete=(3,)), b)
        assert found.cells[0].step.value == pytest.approx(1)
        assert found.cells[0].step.count == 2
        assert "Block 3 of 20261120-101500-default was interrupted" in render.render(
            compare(dataclasses.replace(a, incomplete=(3,)), b), "md"
        )


class TestSessions:
    """Runs that were not made side by side: another seed."""

    def pair(self, *, sentinels: bool = True, moved: float = 1.0, ratio: float = 1.2, **changes: Any) -> Comparison:
        steps = [100.0, 101, 99, 100, 102, 98]
        a, b = made(steps), made([ratio * step for step in steps], seed=43, id="other")
        if sentinels:
            a = dataclasses.replace(a, records=(*a.records, sentinel(1)))
            b = dataclasses.replace(b, records=(*b.records, sentinel(1, triad=round(100 * moved))))
        return compare(a, _changed(b, **changes) if changes else b)

    def test_without_sentinels_in_both_nothing_is_said(self) -> None:
        found = self.pair(sentinels=False)
        assert (found.paired, found.cells[0].verdict, found.together) == (False, "not comparable", None)
        assert found.cells[0].step.value == pytest.approx(1.2)
        assert "no verdicts" in found.basis

    def test_sentinels_of_different_libraries_say_nothing_and_are_named(self) -> None:
        offers = tuple(factories.framework(name, limits=name) for name in ("torch", "numpy"))
        steps = [100.0, 101, 99, 100, 102, 98]
        a, b = made(steps, frameworks=offers), made([1.2 * step for step in steps], seed=43, frameworks=offers)
        a = dataclasses.replace(a, records=(*a.records, sentinel(1, "torch")))
        b = dataclasses.replace(b, records=(*b.records, sentinel(1, "numpy", matmul=300)))
        found = compare(a, b)
        assert found.cells[0].why == "another session, with drift probes of different libraries"
        assert "of torch in one and of numpy in the other" in found.basis

    def test_a_difference_beyond_what_the_machine_moved_by_is_one(self) -> None:
        assert self.pair().cells[0].verdict == "slower"
        assert self.pair(moved=1.1).cells[0].verdict == "slower"
        found = self.pair(moved=1.3)
        assert found.cells[0].verdict == "undetermined"
        assert "the machine itself moved by 30.0% (triad)" in found.basis

    @pytest.mark.parametrize(
        ("part", "change", "why"),
        [
            ("environment", {"cpu": "Another"}, "other processor: A processor (A), Another (B)"),
            ("environment", {"device_name": "NVIDIA L4"}, "other accelerator: A processor (A), NVIDIA L4 (B)"),
            ("environment", {"threads": 2}, "other number of threads: 1 (A), 2 (B)"),
            ("accuracy", {"data_sha256": "f" * 64}, "other data: 00000000 (A), ffffffff (B)"),
            ("accuracy", {"init_sha256": "f" * 64}, "other start: 00000000 (A), ffffffff (B)"),
        ],
    )
    def test_another_machine_or_problem_is_not_comparable(self, part: str, change: dict[str, Any], why: str) -> None:
        (cell,) = self.pair(part=part, change=change).cells
        assert (cell.verdict, cell.why) == ("not comparable", why)

    def test_other_software_is_compared_and_said(self) -> None:
        found = self.pair(part="environment", change={"versions": ("torch==2.14.0",), "image": "sha256:1"})
        assert found.cells[0].verdict == "slower"
        assert found.unlike == ("torch: torch==2.13.0 (A), torch==2.14.0 (B)",)


def _changed(run: Run, part: str, change: dict[str, Any]) -> Run:
    def changed(record: Record) -> Record:
        whole: Any = getattr(record, part)
        return dataclasses.replace(record, **{part: dataclasses.replace(whole, **change)})

    return dataclasses.replace(run, records=tuple(changed(record) for record in run.records))


class TestThreshold:
    """A relative difference that counts: fewer blocks than a verdict needs tell whether a ratio lies beyond it."""

    STEPS = (100.0, 101.0, 99.0)

    def told(self, ratio: float, threshold: float | None = 0.1, blocks: int = 3, **changes: Any) -> Comparison:
        steps = self.STEPS[:blocks]
        return compare(made(steps), made([ratio * step for step in steps], id="b", **changes), threshold=threshold)

    @pytest.mark.parametrize(
        ("ratio", "answer"),
        [(1.15, "slower"), (1.05, "within"), (1.0, "within"), (1 / 1.05, "within"), (1 / 1.15, "faster")],
    )
    def test_three_blocks_tell_a_difference_beyond_it(self, ratio: float, answer: str) -> None:
        assert self.told(ratio).cells[0].verdict == answer
        assert self.told(ratio, threshold=None).cells[0].verdict == "undetermined"

    def test_it_is_the_lower_end_of_the_interval_that_has_to_be_above(self) -> None:
        a, b = made([100, 100, 100]), made([112, 116, 120])
        found = compare(a, b, threshold=0.1).cells[0]
        assert found.step.value > 1.1
        assert found.step.interval is not None
        assert found.step.interval.low < 1.1
        assert found.verdict == "undetermined"
        assert compare(a, b, threshold=found.step.interval.low - 1.001).cells[0].verdict == "slower"

    def test_one_block_tells_nothing_whatever_the_ratio(self) -> None:
        (cell,) = self.told(9.0, blocks=1).cells
        assert (cell.verdict, cell.why) == ("undetermined", "not told: one block has no interval")
        assert "undetermined: not told: one block" in render.render(self.told(9.0, blocks=1), "md")

    def test_six_blocks_and_more_answer_by_it_too(self) -> None:
        steps = [100.0, 101, 99, 100, 102, 98]
        slower = made([1.05 * step for step in steps], id="b")
        assert compare(made(steps), slower).cells[0].verdict == "slower"
        assert compare(made(steps), slower, threshold=0.1).cells[0].verdict == "within"

    def test_a_control_that_varies_by_more_hides_no_difference_that_a_cell_does_not_vary_by(self) -> None:
        twins = [
            factories.record(factories.cell(track="twin"), block=at, round_ns=(ns,))
            for at, ns in enumerate((80_000, 100_000, 120_000), start=1)
        ]
        a = dataclasses.replace(made(self.STEPS), records=(*made(self.STEPS).records, *twins))
        found = compare(a, made([1.15 * step for step in self.STEPS], id="b"), threshold=0.1)
        assert (found.cells[0].verdict, found.floor) == ("slower", 0.01)

    def test_two_sessions_answer_as_far_as_the_machine_stayed(self) -> None:
        def between(moved: float) -> Comparison:
            a, b = made(self.STEPS), made([1.15 * step for step in self.STEPS], seed=43, id="b")
            a = dataclasses.replace(a, records=(*a.records, sentinel(1)))
            b = dataclasses.replace(b, records=(*b.records, sentinel(1, triad=round(100 * moved))))
            return compare(a, b, threshold=0.1)

        assert (between(1.0).paired, between(1.0).cells[0].verdict) == (False, "slower")
        assert between(1.3).cells[0].verdict == "undetermined"
        assert "the noise floor replaces it" in between(1.3).basis

    def test_without_sentinels_in_both_it_answers_nothing(self) -> None:
        assert self.told(1.5, seed=43).cells[0].verdict == "not comparable"

    def test_the_other_cells_of_a_table_say_how_much_a_noisy_one_varies(self) -> None:
        """Two blocks alone have an interval of ±9 %; beside five that vary as little they tell +15 %."""

        def side(factors: Sequence[float], of: Sequence[str]) -> Run:
            return factories.run(
                factories.record(factories.cell(framework=name), block=block, round_ns=(round(1e6 * factor),))
                for name in of
                for block, factor in enumerate(factors, start=1)
            )

        def answers(*of: str) -> set[str]:
            found = compare(side((1, 1), of), side((1.145, 1.155), of), threshold=0.1)
            return {one.verdict for one in found.cells}

        assert answers("torch") == {"undetermined"}
        assert answers("torch", "jax", "flax", "fastai", "lightning", "numpy") == {"slower"}

    def test_formats_say_it(self) -> None:
        found = self.told(1.15)
        assert json.loads(render.render(found, "json"))["threshold"] == 0.1
        assert "Slower: the whole interval is above 1 + 10 %" in render.render(found, "md")
        assert render.render(self.told(1.0), "line") == "B against A: 1 within\n"


@pytest.mark.parametrize(
    ("typed", "share"), [("10%", 0.1), (" 10 % ", 0.1), ("0.5%", 0.005), ("0%", 0), ("300%", 3), ("1.1", 0.1), ("1", 0)]
)
def test_a_threshold_is_a_percentage_or_a_ratio(typed: str, share: float) -> None:
    assert threshold.parsed(typed) == pytest.approx(share)


@pytest.mark.parametrize(
    "typed",
    ["", " ", "%", "10", "0.1", "2.5", "-5%", "+5%", "-1.1", "nan", "nan%", "inf", "inf%", "1e1%", "1_0%", "10,5%",
     "10%%", "1.1x", "٣%", "1e999%", "9" * 400 + "%", "9" * 400, "10%\n20%"],
)  # fmt: skip
def test_any_other_threshold_is_refused_with_one_sentence(typed: str) -> None:
    with pytest.raises(SelectionError, match=r"^The threshold .* is neither a percentage .*, such as 1\.1\.$"):
        threshold.parsed(typed)


class TestFormats:
    def found(self) -> Comparison:
        steps = [100.0, 101, 99, 100, 102, 98]
        jax = factories.record(factories.cell(framework="jax", mode="jit"))
        a, b = made(steps), made([1.05 * step for step in steps], launcher="docker")
        return compare(dataclasses.replace(a, records=(*a.records, jax)), b)

    def test_csv_has_a_row_for_each_cell_and_each_that_was_not_matched(self) -> None:
        text = render.render(self.found(), "csv")
        first, missing = csv.DictReader(text.splitlines())
        assert tuple(first) == render.COLUMNS
        assert (first["a_framework"], first["verdict"], first["blocks"]) == ("torch", "slower", "6")
        assert [float(first[key]) for key in ("ratio", "ci_low", "ci_high")] == pytest.approx([1.05] * 3, rel=1e-3)
        assert (missing["a_framework"], missing["b_framework"], missing["verdict"]) == ("jax", "", "unmatched")
        assert (missing["reason"], missing["ratio"]) == ("not in docker", "")

    def test_json_holds_the_same_numbers(self) -> None:
        told = json.loads(render.render(self.found(), "json"))
        assert (told["paired"], told["floor"], told["b"]["label"]) == (True, 0.01, "docker")
        assert [row["verdict"] for row in told["cells"]] == ["slower", "unmatched"]
        assert told["cells"][1]["ratio"] is None

    def test_a_line_fits_a_pull_request(self) -> None:
        line = render.render(self.found(), "line")
        assert line.startswith(
            "docker against venv: 1 slower, 1 without a counterpart; slowest: torch eager regression"
        )
        assert "+5.0%" in line
        assert line.count("\n") == 1

    def test_markdown_has_the_table_and_the_reasons(self) -> None:
        text = render.render(self.found(), "md")
        assert "| torch eager regression adam | 99.99 | 105 |" in text
        assert "- Not compared: jax jit regression adam (venv): not in docker." in text

    def test_conditions_are_counted(self) -> None:
        assert {one: self.found().count(one) for one in CONDITIONS} == {
            "slower": 1, "faster": 0, "undetermined": 0, "not comparable": 0, "unmatched": 1,
        }  # fmt: skip


class TestCommand:
    """`samestep compare`, on two runs side by side of which the second is 5 % slower."""

    @pytest.fixture
    def results(self, tmp_path: Path) -> Path:
        steps = [100.0, 101, 99, 100, 102, 98]
        for run_id, factor, launcher in (("a", 1.0, "venv"), ("b", 1.05, "docker")):
            run = made([factor * step for step in steps], launcher=launcher, id=run_id)
            folder = store.create(tmp_path, run_id)
            folder.write_facts(run.facts)
            folder.write_plan(make_plan((factories.cell(),), blocks=6, seed=42))
            for record in run.records:
                folder.append(record)
        return tmp_path

    @pytest.mark.parametrize(
        ("fail_on", "code"),
        [(None, 0), ("slower", 3), ("faster", 0), ("faster,slower", 3), ("not-comparable,unmatched", 0)],
    )
    def test_a_condition_that_is_met_ends_with_3(self, results: Path, fail_on: str | None, code: int) -> None:
        assert commands.compare("a", "b", fail_on=fail_on, results=results) == code

    def test_what_could_not_be_judged_is_said_where_a_condition_was_asked_for(
        self, results: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        facts = store.RunFolder(results / "b").facts()
        store.RunFolder(results / "b").write_facts(dataclasses.replace(facts, seed=43))
        assert commands.compare("a", "b", fail_on="slower", results=results, format="line") == 0
        printed = capsys.readouterr()
        assert printed.out == "docker against venv: 1 not comparable\n"
        assert printed.err == (
            "samestep: slower could not be judged in 1 of 1 cell (1 not comparable), which does not fail:"
            " --fail-on slower,not-comparable does.\n"
        )

    def test_what_few_blocks_leave_open_is_said_with_both_remedies(
        self, results: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("a", "b"):
            path = results / name / "records.jsonl"
            path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
        assert commands.compare("a", "b", fail_on="slower", results=results, format="line") == 0
        assert capsys.readouterr().err == (
            "samestep: slower could not be judged in 1 of 1 cell (1 undetermined), which does not fail:"
            " --fail-on slower,undetermined does. With fewer than 6 blocks, --threshold 10% answers.\n"
        )
        assert commands.compare("a", "b", fail_on="slower,undetermined", results=results, format="line") == 3
        assert commands.compare("a", "b", fail_on="slower", threshold="3%", results=results, format="line") == 3
        assert commands.compare("a", "b", fail_on="slower", threshold="10%", results=results, format="line") == 0
        assert capsys.readouterr().err == ""

    def test_a_run_is_called_by_its_folder(self, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (results / "a").rename(results / "baseline")
        commands.compare("baseline", "b", fail_on=None, results=results, format="md")
        assert capsys.readouterr().out.startswith("## baseline against b")
        commands.compare("baseline", "b", fail_on=None, results=results, format="json")
        assert json.loads(capsys.readouterr().out)["a"]["run"] == "baseline"

    def test_a_copy_of_a_run_is_another_run(self, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """By its records; that both once had one id says nothing."""
        other = results / "elsewhere"
        other.mkdir()
        shutil.copytree(results / "a", other / "a")
        facts = store.RunFolder(other / "a").facts()
        store.RunFolder(other / "a").write_facts(dataclasses.replace(facts, seed=43))
        commands.compare("a", str(other / "a"), fail_on=None, results=results, format="json")
        assert json.loads(capsys.readouterr().out)["paired"] is False

    def test_a_selection_without_a_run_is_of_the_first(self, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert commands.compare("a:mode=eager", ":mode=eager", fail_on="slower", results=results, format="line") == 0
        assert capsys.readouterr().out == "B against A: 1 same\n"

    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            ({"fail_on": "slow"}, "There is no condition 'slow'. Did you mean slower"),
            ({"format": "pdf"}, "There is no format 'pdf'"),
            ({"fail_on": ""}, "The selection '' names nothing"),
            ({"threshold": "-5%"}, "The threshold '-5%' is neither"),
            ({"b": "b:mode=jit"}, "There is no mode 'jit'. Valid: eager"),
        ],
    )
    def test_bad_input_is_named(self, results: Path, asked: dict[str, str], sentence: str) -> None:
        given: dict[str, Any] = {"a": "a", "b": "b", "fail_on": None, "results": results, **asked}
        with pytest.raises(SelectionError) as error:
            commands.compare(**given)
        assert str(error.value).startswith(sentence)

    def rewritten(self, results: Path, schema: int) -> None:
        """Give run b the records of another schema, without what schema 5 brought."""
        path = results / "b" / "records.jsonl"
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            record["schema"] = schema
            del record["attempt"]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))

    def test_records_of_an_older_schema_are_upgraded(self, results: Path) -> None:
        self.rewritten(results, 4)
        assert commands.compare("a", "b", fail_on="slower", results=results) == 3

    def test_records_of_a_newer_schema_are_refused(self, results: Path) -> None:
        self.rewritten(results, SCHEMA + 1)
        with pytest.raises(StoreError, match=rf"schema {SCHEMA + 1} is newer than this samestep reads"):
            commands.compare("a", "b", fail_on=None, results=results)
