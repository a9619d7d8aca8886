"""The plan, what is kept of it, and the tables, on simulated tools."""

import contextlib
import dataclasses
import math
import random
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.host.planted import load
from harness.peers import __main__ as command
from harness.peers import session
from harness.peers.comparison import Comparison, Facts, Planned, Results, plan
from harness.peers.steps import INNER, PLANTED, STEPS, Variant
from harness.peers.table import figures, markdown, text, time_to_truth
from harness.peers.tool import Known

FACTS = Facts(
    date="2026-11-28",
    cpu="a processor",
    cores=2,
    os="an OS",
    cpus=(1,),
    commit="0123456789",
    cap_s=120.0,
    busy=0.3,
    versions={"samestep": "1.0", "other": "2.0", "absent": "absent is not installed"},
)


class Simulated:
    """A tool whose answers scatter by `spread` and whose interval says ±2 %."""

    def __init__(self, name: str, spread: float, wall_s: float = 10.0) -> None:
        self.name = name
        self._rng = random.Random(name)
        self._spread = spread
        self._wall_s = wall_s

    def version(self) -> str:
        return "1.0"

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        ratio = b.inner / a.inner * math.exp(self._rng.gauss(0, self._spread))
        return Known(ratio=ratio, half_width=0.02, is_different=abs(ratio - 1) > 0.02, wall_s=self._wall_s)


def comparison(ratio: float | None, *, planted: bool = False, wall_s: float = 10.0, tool: str = "other") -> Comparison:
    known = None if ratio is None else Known(ratio=ratio, half_width=0.02, is_different=ratio > 1.02, wall_s=wall_s)
    return Comparison(planned=Planned("quiet", "a step", tool, planted, 0), known=known, wall_s=wall_s)


def test_b_has_exactly_five_per_cent_more_work() -> None:
    assert PLANTED / INNER == 1.05
    a, b = Planned("quiet", "a step", "other", True, 0).variants
    assert (a.inner, b.inner) == (INNER, PLANTED)
    assert len(STEPS) == 6


def test_the_plan_is_quiet_first_and_its_tools_are_in_random_order() -> None:
    planned = plan(["s", "t"], ["x", "y"], ["quiet", "load"], identical=3, planted=1)
    assert [each.condition for each in planned] == ["quiet"] * 16 + ["load"] * 16
    assert len(set(planned)) == 32
    assert sum(each.is_planted for each in planned) == 8
    by_step = [tuple(each.tool for each in planned[at : at + 4]) for at in range(0, 32, 4)]
    assert len(set(by_step)) > 1


def test_what_is_kept_is_read_back_and_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    results = Results(tmp_path / "new" / "results.jsonl")
    results.begin(FACTS)
    kept = [comparison(1.0), comparison(None)]
    for each in kept:
        results.keep(each)
    with results.path.open("a") as file:
        file.write('{"planned": ')
    results.begin(dataclasses.replace(FACTS, date="later"))
    assert results.read() == (FACTS, kept)


def test_a_file_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for content in (None, "", "text\n", "{}\n"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(StoreError, match="has no results"):
            Results(path).read()


def test_what_is_kept_is_not_measured_again_and_the_load_begins_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SETTLE_S", 0.0)
    begun = []

    @contextlib.contextmanager
    def fake_load():  # type: ignore[no-untyped-def]
        begun.append("load")
        yield

    tools = [Simulated("samestep", 0.01), Simulated("other", 0.02)]
    planned = plan(["a step"], [tool.name for tool in tools], ["quiet", "load"], identical=2, planted=1)
    results = Results(tmp_path / "results.jsonl")
    results.begin(FACTS)
    lines: list[str] = []
    session.measure(planned[:8], tools, results, 60.0, fake_load, lines.append)
    session.measure(planned, tools, results, 60.0, fake_load, lines.append)
    assert [each.planned for each in results.read()[1]] == planned
    assert begun == ["load", "load"]
    assert lines[0].startswith("[1/8] quiet · a step · ")
    assert lines[-1].startswith("[12/12] load · a step · ")


def test_the_time_left_is_that_of_the_same_tool_before_and_a_share_of_the_cap_at_first() -> None:
    planned = Planned("quiet", "a step", "other", False, 1)
    assert session.time_left_s([planned], [], 100.0) == 50.0
    done = [comparison(1.0, wall_s=4.0), comparison(1.0, wall_s=8.0)]
    assert session.time_left_s([planned, planned], done, 100.0) == 12.0


class TestFigures:
    def test_they_count_what_the_tool_said_and_what_is_true(self) -> None:
        found = figures([comparison(1.01), comparison(1.03), comparison(1.06, planted=True), comparison(None)])
        assert (found.count, found.within, found.answers, found.held) == (4, 3, 3, 2)
        assert (found.called_different, found.identical) == (1, 2)
        assert list(found.errors) == pytest.approx([0.01])

    def test_without_an_answer_there_is_no_time_to_the_truth(self) -> None:
        assert time_to_truth([comparison(None)]) is None

    @pytest.mark.parametrize(("spread", "answers"), [(0.005, 1), (0.03, 4), (0.06, 16)])
    def test_the_time_to_the_truth_is_that_of_as_many_answers_as_the_spread_needs(
        self, spread: float, answers: int
    ) -> None:
        off = [math.exp(sign * spread) for sign in (1, -1) for _ in range(50)]
        assert time_to_truth([comparison(ratio, wall_s=7.0) for ratio in off]) == 7.0 * answers

    def test_a_tool_that_is_sure_of_itself_and_wrong_is_seen(self) -> None:
        """An interval of ±2 % from a tool that scatters by 4 % holds the truth in 38 % of the answers."""
        tool = Simulated("hasty", 0.04)
        planned = [Planned("quiet", "a step", "hasty", False, repeat) for repeat in range(400)]
        found = figures([session.compared(each, tool, 60.0) for each in planned])
        assert found.held / found.answers == pytest.approx(0.38, abs=0.06)
        assert found.called_different / found.identical == pytest.approx(0.62, abs=0.06)


def test_the_tables_have_samestep_first_and_say_what_is_missing() -> None:
    failed = dataclasses.replace(comparison(None), reason="under_torch: it broke")
    comparisons = [comparison(1.0), comparison(1.04, planted=True), comparison(1.0, tool="samestep"), failed]
    page = markdown(FACTS, comparisons)
    assert "on 2026-11-28, commit 0123456, 2 cores of a processor" in page
    rows = [line for line in page.splitlines() if line.startswith(("| samestep", "| other"))]
    assert rows == [
        "| samestep 1.0 | 1 of 1 | 10 s | 10 s | – | 1 of 1 | 0 of 1 |",
        "| other 2.0 | 2 of 3 | 10 s | 10 s | -1.0 | 2 of 2 | 0 of 1 |",
    ]
    assert "- other, a step: under_torch: it broke" in page
    assert "- absent: absent is not installed" in page
    assert "With a load" not in page
    assert "kept 0.3 of its processors busy" in page
    assert text(FACTS, comparisons).splitlines()[2].split()[:4] == ["samestep", "1.0", "1", "of"]


def test_the_load_is_a_process_that_ends_with_its_context() -> None:
    with load((0,)) as pid:
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_the_command_shows_what_a_file_has_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.jsonl"
    assert command.main(["--show", "--results", str(path)]) == 1
    assert "has no results" in capsys.readouterr().err
    results = Results(path)
    results.begin(FACTS)
    results.keep(comparison(1.0))
    assert command.main(["--show", "--results", str(path)]) == 0
    assert capsys.readouterr().out == text(*results.read())
