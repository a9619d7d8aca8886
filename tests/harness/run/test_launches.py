"""What never ran for want of the machine: taken again, and the end of a run in which nothing runs any more."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records.record import Cell
from bench.turns.turn import Outcome, Turn
from harness.errors import MachineError
from harness.plan.plan import make_plan
from harness.run import launches
from harness.run.active import ActiveRun
from harness.run.loop import Lane, execute
from harness.store.folder import create
from tests import factories
from tests.fakes import FakeLauncher, FakeMember
from tests.harness.run.test_loop import CELLS, SETTINGS, Quiet, good, keys, planned

REFUSED = ("OSError: [Errno 22] CPU 1 of the CPU set 1 cannot be used here",)


def never(turn: Turn) -> Outcome:
    return Outcome(started_unix_ns=1, wall_ns=2, exit_code=1, tail=REFUSED)


def start(tmp_path: Path, cells: tuple[Cell, ...] = CELLS, *, alternates: bool = False) -> ActiveRun:
    facts = factories.run_facts(cpus=(), alternates=alternates)
    return ActiveRun(
        folder=create(tmp_path, "run"), plan=make_plan(cells, blocks=3, seed=42), facts=facts, settings=SETTINGS
    )


def run(active: ActiveRun, answer: Callable[[Turn], Outcome]) -> FakeLauncher:
    launcher = FakeLauncher(answer)
    execute([Lane(run=active, launcher=launcher)], Quiet())
    return launcher


@pytest.mark.parametrize("alternates", [False, True])
def test_when_nothing_starts_any_more_the_run_ends_and_takes_it_again(tmp_path: Path, alternates: bool) -> None:
    active = start(tmp_path, alternates=alternates)

    with pytest.raises(MachineError, match=r"3 replicates in a row could not be started, .*CPU 1 of the CPU set"):
        run(active, lambda turn: good(turn) if turn.position <= 3 else never(turn))
    assert len(active.folder.records()) < active.plan.replicates

    again = run(active, good)

    assert sorted(turn.position for turn in again.turns) == list(range(4, 10))  # nothing is measured twice
    assert sorted(keys(active.folder.replicates()), key=str) == sorted(planned(active.plan), key=str)
    assert {record.status for record in active.folder.replicates()} == {"ok"}


def test_one_framework_that_does_not_start_does_not_end_the_run_of_the_others(tmp_path: Path) -> None:
    cells = (*(factories.cell(mode=f"mode{number}") for number in range(5)), factories.cell(framework="jax"))
    active = start(tmp_path, cells)

    run(active, lambda turn: never(turn) if turn.cell.framework == "torch" else good(turn))

    assert [record.status for record in active.folder.records() if record.cell.framework == "jax"] == ["ok"] * 3


def test_in_a_run_of_one_framework_it_ends(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="could not be started"):
        run(start(tmp_path, CELLS[:2]), never)


def test_frameworks_without_an_environment_are_no_sign(tmp_path: Path) -> None:
    active = start(tmp_path)
    launcher = FakeLauncher(good)
    missing = {"torch": "no wheel"}
    execute([Lane(run=active, launcher=launcher, unprepared=missing)], Quiet())
    assert len(active.folder.records()) == 9

    again = run(active, good)  # the environment is there now

    assert {turn.cell.framework for turn in again.turns} == {"torch"}
    assert {record.status for record in active.folder.replicates()} == {"ok"}


@pytest.mark.parametrize("alternates", [False, True])
def test_without_room_for_its_folder_a_replicate_never_ran(tmp_path: Path, alternates: bool) -> None:
    active = start(tmp_path, CELLS[:1], alternates=alternates)

    class Full(FakeLauncher):
        def take(self, turn: Turn, on_start: object) -> Outcome:
            raise OSError(28, "No space left on device", "/tmp/x")

        def member(self, turn: Turn) -> FakeMember:
            raise OSError(28, "No space left on device", "/tmp/x")

    with pytest.raises(MachineError, match=r"launch: .*No space left on device"):
        execute([Lane(run=active, launcher=Full(good))], Quiet())
    assert [record.failure.phase for record in active.folder.records() if record.failure] == ["launch"] * 3


def test_a_cpu_set_that_is_gone_ends_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "CPU 1 of the CPU set 1 cannot be used here any more"
    found = launches.Launches((1,), {"torch", "jax"}, gone=lambda cpus: sentence if tuple(cpus) == (1,) else "")
    failed = factories.record(status="failed", failure=factories.failure(phase="launch"))
    with pytest.raises(MachineError, match=f"{sentence}, and go on with --resume"):
        found.note(failed)


def test_replicates_that_ran_in_between_are_no_row() -> None:
    found = launches.Launches((), {"torch"}, gone=lambda cpus: "")
    failed = factories.record(status="failed", failure=factories.failure(phase="launch"))
    for record in (failed, failed, factories.record(), failed, failed):
        found.note(record)


def test_a_replicate_from_elsewhere_is_not_kept(tmp_path: Path) -> None:
    active = start(tmp_path)

    def moved(turn: Turn) -> Outcome:
        outcome = good(turn)
        return outcome if turn.block == 1 else dataclasses.replace(outcome, record=outcome.record.replace("Linux", "X"))

    with pytest.raises(MachineError, match="the kernel or the C library was Linux, it is X"):
        run(active, moved)
    assert len(active.folder.records()) == 3


def test_an_export_that_never_ran_is_made_again_and_one_that_failed_is_not_asked_for_again(tmp_path: Path) -> None:
    offers = (
        factories.framework(),
        factories.framework("onnxruntime", modes=()),
    )
    source = dataclasses.replace(factories.framework("torch", ("from-torch",)).modes[0], source="torch")
    offers = (offers[0], dataclasses.replace(offers[1], modes=(source,)))
    cell = factories.cell(framework="onnxruntime", mode="from-torch")
    active = start(tmp_path, (cell, factories.cell()))
    active = dataclasses.replace(active, facts=dataclasses.replace(active.facts, frameworks=offers))

    def answer(turn: Turn) -> Outcome:
        failed = dataclasses.replace(never(turn), phase="export")
        return failed if turn.cell.track == "export" else good(turn)

    run(active, answer)
    phases = {record.failure.phase for record in active.folder.records() if record.failure}
    assert phases == {"export"}
    assert run(active, good).turns == []
