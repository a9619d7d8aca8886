"""A model is trained and exported once in a run, before the first replicate that needs it."""

import base64
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import FrameworkOffer, ModeOffer
from bench.records.codec import to_json
from bench.records.record import Cell, Export, Record
from bench.turns.turn import Outcome, Settings, Turn
from harness.plan import models
from harness.plan.plan import make_plan
from harness.run.active import ActiveRun
from harness.run.loop import Lane, bad_cells, execute
from harness.store.folder import create
from harness.store.resume import require_fit
from tests import factories
from tests.fakes import FakeLauncher
from tests.harness.run.test_loop import CODE, Quiet

BYTES = b"model"
EXPORT = Export(
    format="onnx",
    sha256=hashlib.sha256(BYTES).hexdigest(),
    size_bytes=len(BYTES),
    model_base64=base64.b64encode(BYTES).decode(),
    ir_version=10,
    opset=21,
    operators=("MatMul", "Add"),
    producer="pytorch",
)
RUNS_MODELS = FrameworkOffer(
    name="onnxruntime",
    title="ONNX Runtime",
    modes=(
        ModeOffer(name="from-torch", sentence="the model of PyTorch", source="torch"),
        ModeOffer(name="from-jax", sentence="the model of JAX", source="jax"),
    ),
    baseline="",
)
CELLS = tuple(factories.cell(framework="onnxruntime", mode=mode) for mode in ("from-torch", "from-jax"))
SETTINGS = Settings(rounds=5, warmup_floor_ns=0, warmup_cap_ns=1)


def good(turn: Turn) -> Outcome:
    record = factories.record(turn.cell, block=turn.block, position=turn.position)
    if turn.cell.track == "export":
        record = dataclasses.replace(record, export=EXPORT, timing=None)
    return Outcome(started_unix_ns=1, wall_ns=2, exit_code=0, record=to_json(record))


def start(tmp_path: Path, cells: tuple[Cell, ...] = CELLS) -> ActiveRun:
    facts = factories.run_facts(cpus=(), code=CODE, frameworks=(RUNS_MODELS,))
    return ActiveRun(
        folder=create(tmp_path, "run"), plan=make_plan(cells, blocks=2, seed=42), facts=facts, settings=SETTINGS
    )


def exported(records: tuple[Record, ...]) -> list[str]:
    return [record.cell.framework for record in records if record.cell.track == "export"]


def test_each_model_is_made_once_and_before_it_is_needed(tmp_path: Path) -> None:
    run, launcher = start(tmp_path), FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher)], Quiet())

    assert sorted(exported(run.folder.records())) == ["jax", "torch"]
    made: set[str] = set()
    for turn in launcher.turns:
        if turn.cell.track == "export":
            made.add(turn.cell.framework)
            assert (turn.cell.mode, turn.model, turn.repeats) == ("export-onnx", None, ())
        else:
            assert turn.cell.mode.removeprefix("from-") in made
            assert turn.model
            assert turn.model.init_sha256 == factories.accuracy().init_sha256
            assert turn.model.artifact
            assert Path(turn.model.artifact.path).read_bytes() == BYTES


def test_one_model_serves_every_policy_and_the_replicates_for_memory(tmp_path: Path) -> None:
    plain = factories.cell(framework="onnxruntime", mode="from-torch")
    changes: tuple[dict[str, Any], ...] = ({}, {"allocator": "kSameAsRequested"}, {"track": "memory"})
    run = start(tmp_path, tuple(dataclasses.replace(plain, **change) for change in changes))
    execute([Lane(run=run, launcher=FakeLauncher(good))], Quiet())
    (made,) = (record.cell for record in run.folder.records() if record.cell.track == "export")
    assert (made.framework, made.allocator) == ("torch", "default")


def test_a_resumed_run_finds_its_models_and_fits_its_plan(tmp_path: Path) -> None:
    run = start(tmp_path)

    def interrupt_at_the_last(turn: Turn) -> Outcome:
        if turn.position == 4:
            raise KeyboardInterrupt
        return good(turn)

    with pytest.raises(KeyboardInterrupt):
        execute([Lane(run=run, launcher=FakeLauncher(interrupt_at_the_last))], Quiet())
    require_fit("run", plan=run.plan, facts=run.facts, records=run.folder.records(), code=CODE, cells=None)

    execute([Lane(run=run, launcher=FakeLauncher(good))], Quiet())

    assert sorted(exported(run.folder.records())) == ["jax", "torch"]
    assert len(run.folder.records()) == run.plan.replicates + 2


def test_an_export_that_fails_gives_its_reason_to_those_that_need_it(tmp_path: Path) -> None:
    run = start(tmp_path)

    def fail_jax(turn: Turn) -> Outcome:
        if turn.cell.track == "export" and turn.cell.framework == "jax":
            return Outcome(started_unix_ns=1, wall_ns=2, exit_code=1, phase="export", tail=("no operator Foo",))
        return good(turn)

    execute([Lane(run=run, launcher=FakeLauncher(fail_jax))], Quiet())

    records = run.folder.records()
    failed = [record for record in records if record.cell.mode == "from-jax"]
    assert [record.status for record in failed] == ["failed", "failed"]
    assert failed[0].reason == "launch: there is no model from jax: export: exit code 1 (no operator Foo)"
    assert exported(records).count("jax") == 1
    assert all(record.status == "ok" for record in records if record.cell.mode == "from-torch")
    assert [cell.mode for cell in bad_cells(records)].count("from-jax") == 1


def test_a_source_without_an_environment_is_the_reason(tmp_path: Path) -> None:
    run = start(tmp_path, CELLS[:1])

    execute([Lane(run=run, launcher=FakeLauncher(good), unprepared={"torch": "no image"})], Quiet())

    assert {record.reason for record in run.folder.records() if record.cell.framework == "onnxruntime"} == {
        "launch: there is no model from torch: launch: no image"
    }


def test_the_environments_of_the_sources_are_needed_too() -> None:
    assert models.needed((RUNS_MODELS,), CELLS) == ("onnxruntime", "torch", "jax")
    assert models.needed((RUNS_MODELS,), CELLS[:1]) == ("onnxruntime", "torch")


def test_the_variants_of_an_engine_run_the_same_model_of_the_locked_framework(tmp_path: Path) -> None:
    cells = tuple(dataclasses.replace(CELLS[0], variant=name) for name in ("", "1.21.0", "1.22.0"))
    assert models.started((RUNS_MODELS,), cells) == (
        *("onnxruntime", "onnxruntime@1.21.0", "onnxruntime@1.22.0"),
        "torch",
    )
    run, launcher = start(tmp_path, cells), FakeLauncher(good)

    execute([Lane(run=run, launcher=launcher)], Quiet())

    assert [turn.cell.framework_id for turn in launcher.turns if turn.cell.track == "export"] == ["torch"]
    assert len({turn.model.artifact for turn in launcher.turns if turn.model}) == 1


def test_a_variant_without_an_environment_is_recorded_and_the_others_run(tmp_path: Path) -> None:
    cells = tuple(dataclasses.replace(CELLS[0], variant=name) for name in ("", "1.21.0"))
    run = start(tmp_path, cells)

    execute([Lane(run=run, launcher=FakeLauncher(good), unprepared={"onnxruntime@1.21.0": "no wheel"})], Quiet())

    records = run.folder.records()
    assert {record.reason for record in records if record.cell.variant} == {"launch: no wheel"}
    assert {record.status for record in records if not record.cell.variant} == {"ok"}
