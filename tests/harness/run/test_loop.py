"""The loop: order, flushing, resuming, and what a broken environment leaves."""

import dataclasses
from pathlib import Path

import pytest

from bench.records.codec import to_json
from bench.records.record import Cell, Record, Track
from bench.turns.turn import Outcome, Settings, Turn
from harness.errors import StoreError
from harness.plan.plan import Plan, PlannedReplicate, make_plan
from harness.run.active import ActiveRun
from harness.run.loop import Lane, bad_cells, execute, finished
from harness.run.runner import Runner, subject_of
from harness.samplers.observer import Observer, Watch
from harness.stats.overhead import own_share
from harness.store.folder import create
from harness.store.resume import require_fit
from tests import factories
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.fakes import FakeLauncher

CELLS = (factories.cell(), factories.cell(mode="compile"), factories.cell(framework="jax", mode="jit"))
SETTINGS = Settings(rounds=5, warmup_floor_ns=0, warmup_cap_ns=1)
CODE = (("bench/records/record.py", "00"),)


class Quiet:
    """Shows nothing, remembers what it was to show."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, Cell]] = []

    def say(self, line: str) -> None: ...

    def begin(self, planned: PlannedReplicate) -> None:
        self.shown.append(("begin", planned.cell))

    def parked(self, planned: PlannedReplicate) -> None:
        self.shown.append(("parked", planned.cell))

    def take_turns(self, processes: int, seconds: float) -> None: ...

    def end(self, record: Record) -> None:
        self.shown.append((record.status, record.cell))

    def close(self) -> None: ...


def good(turn: Turn) -> Outcome:
    record = factories.record(turn.cell, block=turn.block, position=turn.position)
    assert record.timing is not None
    timing = dataclasses.replace(record.timing, calls_per_round=turn.calls_per_round or 10 * turn.block)
    written = to_json(dataclasses.replace(record, timing=timing))
    return Outcome(started_unix_ns=1, wall_ns=2_000_000_000, exit_code=0, record=written)


def start(tmp_path: Path) -> ActiveRun:
    plan = make_plan(CELLS, blocks=3, seed=42)
    folder = create(tmp_path, "run")
    return ActiveRun(folder=folder, plan=plan, facts=factories.run_facts(cpus=(), code=CODE), settings=SETTINGS)


def keys(records: tuple[Record, ...]) -> list[tuple[Cell, int]]:
    return [(record.cell, record.block) for record in records]


def planned(plan: Plan) -> list[tuple[Cell, int]]:
    return [(planned.cell, planned.block) for planned in plan.in_order()]


def test_replicates_run_in_the_order_of_the_plan(tmp_path: Path) -> None:
    run, launcher, show = start(tmp_path), FakeLauncher(good), Quiet()

    execute([Lane(run=run, launcher=launcher)], show)

    assert [(turn.cell, turn.block) for turn in launcher.turns] == planned(run.plan)
    assert keys(run.folder.records()) == planned(run.plan)
    assert show.shown[:2] == [("begin", launcher.turns[0].cell), ("ok", launcher.turns[0].cell)]


def test_calls_per_round_are_calibrated_once_and_frozen(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher)], Quiet())

    for turn in launcher.turns:
        assert turn.calls_per_round == (None if turn.block == 1 else 10)


def test_an_interrupted_run_goes_on_without_repeating(tmp_path: Path) -> None:
    run = start(tmp_path)

    def interrupt_at_fifth(turn: Turn) -> Outcome:
        if turn.position == 5:
            raise KeyboardInterrupt
        return good(turn)

    with pytest.raises(KeyboardInterrupt):
        execute([Lane(run=run, launcher=FakeLauncher(interrupt_at_fifth))], Quiet())
    assert len(run.folder.records()) == 4
    again = FakeLauncher(good)

    execute([Lane(run=run, launcher=again)], Quiet())

    assert [turn.position for turn in again.turns] == [5, 6, 7, 8, 9]
    assert all(turn.calls_per_round == 10 for turn in again.turns if turn.block > 1)
    assert keys(run.folder.records()) == planned(run.plan)


def test_runs_side_by_side_take_the_same_replicate_in_random_order(tmp_path: Path) -> None:
    plan = make_plan(tuple(factories.cell(mode=f"mode{number}") for number in range(8)), blocks=3, seed=42)
    taken: list[tuple[str, int]] = []

    def job(name: str) -> Lane:
        def answer(turn: Turn) -> Outcome:
            taken.append((name, turn.position))
            return good(turn)

        folder = create(tmp_path, name)
        run = ActiveRun(folder=folder, plan=plan, facts=factories.run_facts(cpus=()), settings=SETTINGS)
        return Lane(run=run, launcher=FakeLauncher(answer))

    execute([job("a"), job("b")], Quiet())

    pairs = list(zip(taken[0::2], taken[1::2], strict=True))
    assert [one[1] for one, _ in pairs] == [other[1] for _, other in pairs] == list(range(1, 25))
    assert all({one[0], other[0]} == {"a", "b"} for one, other in pairs)
    first = [one[0] for one, _ in pairs]
    assert 4 < first.count("a") < 20


def test_a_framework_without_environment_is_recorded_and_the_others_run(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher, unprepared={"jax": "no wheel for it"})], Quiet())

    records = run.folder.records()
    assert len(records) == 9
    failed = [record for record in records if record.status == "failed"]
    assert {record.reason for record in failed} == {"launch: no wheel for it"}
    assert {record.cell.framework for record in failed} == {"jax"}
    assert {turn.cell.framework for turn in launcher.turns} == {"torch"}
    assert bad_cells(records) == [CELLS[2]]


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        ({"exit_code": 1, "tail": ("last words",)}, "failed", "warmup: exit code 1 (last words)"),
        ({"exit_code": None, "signal": "SIGSEGV"}, "failed", "warmup: ended by SIGSEGV"),
        ({"exit_code": None, "tail": ("its worker went away",)}, "failed", "warmup: its worker went away"),
        ({"exit_code": None, "signal": "SIGKILL", "timed_out": True}, "timeout", "warmup: still running after 300 s"),
        ({"exit_code": None, "signal": "SIGKILL", "out_of_memory": True}, "oom", "warmup: killed for memory"),
        ({"exit_code": 0, "record": "{"}, "failed", "its process wrote a damaged record"),
    ],
)
def test_a_process_that_dies_leaves_a_record_that_says_how(
    tmp_path: Path, ending: dict[str, object], status: str, reason: str
) -> None:
    run = start(tmp_path)
    outcome = Outcome(**{"started_unix_ns": 1, "wall_ns": 2, "phase": "warmup", **ending})  # type: ignore[arg-type]

    execute([Lane(run=run, launcher=FakeLauncher(lambda turn: outcome))], Quiet())

    for record in run.folder.records():
        assert record.status == status
        assert record.reason.startswith(reason)
        assert record.failure is not None
        assert record.failure.phase == "warmup"


def test_a_full_disk_stops_the_run_with_what_it_has_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(tmp_path)
    append = run.folder.append

    def full_at_third(record: Record) -> None:
        if record.position == 3:
            raise StoreError("full")
        append(record)

    monkeypatch.setattr(run.folder, "append", full_at_third)
    with pytest.raises(StoreError):
        execute([Lane(run=run, launcher=FakeLauncher(good))], Quiet())
    assert len(run.folder.records()) == 2


def test_a_record_is_kept_even_when_its_samples_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(tmp_path)

    def full(samples: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(run.folder, "append_samples", full)
    with pytest.raises(StoreError):
        execute([Lane(run=run, launcher=FakeLauncher(good))], Quiet())
    assert len(run.folder.records()) == 1


def test_versions_and_time_are_added_to_the_facts() -> None:
    facts = finished(factories.run_facts(wall_s=10.0), [factories.record()], 5.0)
    assert facts.wall_s == 15.0
    assert facts.versions == ("torch: torch==2.13.0",)


def test_own_share_is_what_the_phases_do_not_account_for() -> None:
    record = factories.record()  # 1 s of phases
    assert own_share([record, record], 2.5) == pytest.approx(0.2)
    killed = factories.record(status="timeout", wall_ns=500_000_000)
    assert own_share([record, record, killed], 2.5) == pytest.approx(0.0)


def fit(plan: Plan, **changes: object) -> None:
    given = {
        "run_id": "run",
        "plan": plan,
        "facts": factories.run_facts(code=CODE),
        "records": (),
        "code": CODE,
        "cells": None,
    }
    require_fit(**{**given, **changes})  # type: ignore[arg-type]


def test_a_run_that_still_fits_may_go_on() -> None:
    plan = make_plan(CELLS, blocks=3, seed=42)
    fit(plan)
    fit(plan, cells=CELLS, records=(factories.record(CELLS[0], block=3),))


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"code": (("bench/records/record.py", "01"),)}, "bench/records/record.py has changed"),
        ({"code": ()}, "bench/records/record.py is gone"),
        ({"code": (*CODE, ("bench/new.py", "00"))}, "bench/new.py is new"),
        ({"cells": CELLS[:2]}, "jax jit regression adam is planned but not selected now"),
        ({"cells": (*CELLS, factories.cell(mode="x"))}, "torch x regression adam is selected now but not planned"),
        ({"records": (factories.record(CELLS[0], block=4),)}, "block 4, which is not planned"),
    ],
)
def test_a_run_that_no_longer_fits_is_refused_with_the_difference(changes: dict[str, object], difference: str) -> None:
    with pytest.raises(StoreError, match=difference):
        fit(make_plan(CELLS, blocks=3, seed=42), **changes)


def test_a_plan_that_was_edited_is_refused() -> None:
    plan = make_plan(CELLS, blocks=3, seed=42)
    with pytest.raises(StoreError, match=r"plan\.json is not what seed 42 gives"):
        fit(dataclasses.replace(plan, order=(plan.order[1], plan.order[0], plan.order[2])))


def test_each_cell_is_repeated_on_other_threads_once_and_on_warm_caches_as_the_profile_says(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), FakeLauncher(good)
    run = dataclasses.replace(run, settings=dataclasses.replace(SETTINGS, warm_blocks=2))

    execute([Lane(run=run, launcher=launcher)], Quiet())

    expected = {1: ("warm", "threads"), 2: ("warm",), 3: ()}
    assert [turn.repeats for turn in launcher.turns] == [expected[turn.block] for turn in launcher.turns]


def test_what_a_replicate_printed_is_kept_in_the_run_folder(tmp_path: Path) -> None:
    run = start(tmp_path)

    launcher = FakeLauncher(lambda turn: dataclasses.replace(good(turn), log=f"said {turn.position}\n"))

    execute([Lane(run=run, launcher=launcher)], Quiet())

    logs = sorted((run.folder.path / "logs").iterdir())
    assert len(logs) == run.plan.replicates
    first = next(run.plan.in_order()).cell
    assert logs[0].name == f"0001-{first.framework}-{first.mode}.log"
    assert logs[0].read_text() == "said 1\n"


def test_what_the_host_saw_is_in_the_record_and_its_samples_are_kept(tmp_path: Path) -> None:
    run = start(tmp_path)
    launcher = FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher, unprepared={"jax": "no wheel for it"})], Quiet())

    for record in run.folder.records():
        if record.cell.framework == "jax":  # nothing ran
            assert record.observation is None
            continue
        assert record.observation is not None
        assert record.observation.load_percent is not None
        assert record.observation.sampler_wall_ns is not None
        assert "gpu: the run does not use one" in record.observation.missing


def test_replicates_of_one_cell_on_two_tracks_are_told_apart_in_the_samples() -> None:
    usual = PlannedReplicate(position=1, block=2, cell=factories.cell(), hash_seed=1)
    memory = dataclasses.replace(usual, cell=factories.cell(track="memory"))
    assert subject_of(usual) == f"{usual.cell.id}#2"
    assert subject_of(usual) != subject_of(memory)


@pytest.mark.parametrize(("track", "energy"), [("identical", False), ("memory", False), ("energy", True)])
def test_a_replicate_that_measures_energy_is_watched_as_one(tmp_path: Path, track: Track, energy: bool) -> None:
    watched: list[tuple[str, bool]] = []

    class Noting(Observer):
        def watch(self, subject: str, *, energy: bool = False) -> Watch:
            watched.append((subject, energy))
            return super().watch(subject, energy=energy)

    observer = Noting(device="cpu", gpu="", say=print)
    planned = PlannedReplicate(position=1, block=1, cell=factories.cell(track=track), hash_seed=1)
    Runner(start(tmp_path), FakeLauncher(good), {}, Quiet(), observer).keep(planned)
    assert watched == [(subject_of(planned), energy)]


def test_a_gpu_is_watched_for_the_whole_run_and_given_back_when_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = FakeNvml(FakeGpu())
    monkeypatch.setattr("harness.host.nvidia.library", lambda: nvml)
    run = start(tmp_path)
    run = dataclasses.replace(run, facts=dataclasses.replace(run.facts, device="cuda"))
    opened = []

    def interrupt_at_third(turn: Turn) -> Outcome:
        opened.append(nvml.opened)
        if turn.position == 3:
            raise KeyboardInterrupt
        return good(turn)

    with pytest.raises(KeyboardInterrupt):
        execute([Lane(run=run, launcher=FakeLauncher(interrupt_at_third))], Quiet())
    assert opened == [1, 1, 1]
    assert nvml.opened == 0
    assert [record.observation.gpu for record in run.folder.records() if record.observation] == ["GPU-1111"] * 2
