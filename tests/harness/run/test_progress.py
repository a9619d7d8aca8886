"""The lines and the bar of a run, and its estimate of the time left."""

import dataclasses
import io
from pathlib import Path

from rich.console import Console

from bench.records.record import Record
from harness.format import rough_duration
from harness.plan import label
from harness.plan.plan import make_plan
from harness.run.progress import PlainProgress, TerminalProgress, TimeLeft, result
from harness.store import history
from harness.store.folder import create
from tests import factories

CELLS = (factories.cell(), factories.cell(mode="compile"))
PLAN = make_plan(CELLS, blocks=3, seed=1)


def took(seconds: float, mode: str = "eager", **changes: object) -> Record:
    record = factories.record(factories.cell(mode=mode), **changes)  # type: ignore[arg-type]
    return dataclasses.replace(record, wall_ns=round(seconds * 1e9))


def test_the_estimate_takes_each_cell_as_it_was_and_an_unseen_one_as_the_mean() -> None:
    estimate = TimeLeft(PLAN)
    assert estimate.text() == "time left not known yet"
    estimate.count(took(2.0))
    assert estimate.seconds() == 2 * 2.0 + 3 * 2.0  # nothing is known of compile but what eager took
    estimate.count(took(10.0, "compile"))
    assert estimate.seconds() == 2 * 2.0 + 2 * 10.0
    assert estimate.text() == "about 24 s left"


def test_an_estimate_after_resuming_knows_what_was_kept() -> None:
    assert TimeLeft(PLAN, (took(2.0), took(10.0, "compile"))).seconds() == 24.0


def test_before_anything_has_ended_it_goes_by_earlier_runs() -> None:
    estimate = TimeLeft(PLAN, earlier={CELLS[0]: 2.0, factories.cell(mode="not planned"): 99.0})
    assert estimate.seconds() == 6 * 2.0
    estimate.count(took(10.0, "compile"))
    assert estimate.seconds() == 3 * 2.0 + 2 * 10.0


def test_a_run_with_interim_analyses_takes_at_most_so_long() -> None:
    estimate = TimeLeft(make_plan(CELLS, blocks=20, seed=1, interim_analyses=(10, 15)))
    estimate.count(took(2.0))
    assert estimate.text() == "at most about 78 s left"


def test_earlier_runs_are_those_of_the_same_profile_and_device(tmp_path: Path) -> None:
    def kept(name: str, seconds: float, **facts: str) -> None:
        folder = create(tmp_path, name)
        folder.write_facts(factories.run_facts(**facts))
        folder.append(took(seconds))
        folder.append(took(77.0, "compile", status="failed", reason="it broke"))

    kept("this", 7.0)
    kept("another profile", 5.0, profile="quick")
    kept("another device", 6.0, device="cuda")
    (create(tmp_path, "damaged").path / "run.json").write_text("{")
    assert history.seconds(tmp_path, profile="default", device="cpu") == {CELLS[0]: 7.0}


def test_two_runs_of_a_plan_take_twice_as_long() -> None:
    assert TimeLeft(PLAN, (took(1.0), took(1.0, "compile")), copies=2).seconds() == 10.0


def test_durations_are_rounded_to_what_an_estimate_can_carry() -> None:
    assert [rough_duration(seconds) for seconds in (0.4, 89.4, 200, 240, 7290)] == [
        "0 s",
        "89 s",
        "3 min 20 s",
        "4 min",
        "2 h 1 min",
    ]


def test_plain_progress_is_one_line_for_each_replicate() -> None:
    lines: list[str] = []
    show = PlainProgress(PLAN, (), lines.append)
    planned = next(iter(PLAN.in_order()))
    show.begin(planned)
    show.end(took(2.0, block=1))
    show.end(took(1.0, "compile", block=1, status="failed", reason="build: it broke"))
    assert lines == [
        "[1/6] block 1  torch eager regression adam: ok, 100 µs a step (2.0 s; about 10 s left)",
        "[2/6] block 1  torch compile regression adam: failed: build: it broke (1.0 s; about 6 s left)",
    ]


def test_the_terminal_shows_what_runs_and_a_whole_line_for_what_has_ended() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, color_system=None)
    show = TerminalProgress(PLAN, (), console)
    show.begin(next(iter(PLAN.in_order())))
    show.end(took(2.0, block=1))
    show.close()
    assert "✓ block 1  torch eager regression adam: ok, 100 µs a step (2.0 s)" in text.getvalue()
    assert "time left not known yet" in text.getvalue()


def test_a_hello_world_tells_its_whole_time() -> None:
    assert result(factories.idiomatic(total_ns=2_500_000_000)) == "ok, 2.5 s from a cold start"


def test_a_cell_is_named_by_what_is_not_usual() -> None:
    assert label.name(factories.cell()) == "torch eager regression adam"
    scaled = factories.cell(workload="mlp", size="S", optimizer="none", precision="bfloat16")
    assert label.name(scaled) == "torch eager mlp S none bfloat16"
