"""The files of a run that a turn needs: other bytes are refused, with a sentence that says whose they are."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.records.record import FORWARD_ONLY, Cell
from bench.reference import inference
from bench.turns.artifacts import ArtifactError, content
from bench.turns.prepare import workload_of
from bench.turns.turn import Artifact, Model, Settings, Turn, to_json, turn_from_json
from bench.workloads import make
from tests import factories

DATA = b"a model"
SHA = hashlib.sha256(DATA).hexdigest()


def turn(cell: Cell, model: Model | None = None) -> Turn:
    return Turn(
        cell=cell,
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=1),
        calls_per_round=None,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=60,
        launcher="venv",
        model=model,
    )


def test_the_bytes_come_from_the_file_or_from_the_turn(tmp_path: Path) -> None:
    (tmp_path / SHA).write_bytes(DATA)
    assert content(Artifact(sha256=SHA, path=str(tmp_path / SHA)), "the model") == DATA
    assert content(Artifact(sha256=SHA, base64=base64.b64encode(DATA).decode()), "the model") == DATA


def test_the_workload_of_a_pruned_cell_has_pruned_parameters() -> None:
    made = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
    whole = np.arange(20.0)

    def kept(**arrays: np.ndarray[Any, Any]) -> Artifact:
        data = inference.to_bytes(arrays)
        return Artifact(sha256=hashlib.sha256(data).hexdigest(), base64=base64.b64encode(data).decode())

    model = Model(trained=kept(**made.parameters), expected=kept(predictions=whole + 1, unpruned=whole))
    cell = factories.cell(workload="mlp", size="tiny", optimizer=FORWARD_ONLY, batch=2, precision="pruned-50")
    found = workload_of(turn(cell, model))
    assert np.mean(found.parameters["layer1.weight"] == 0) == 0.5
    assert found.pruned == 50
    assert found.expected is not None
    assert found.unpruned is not None
    assert np.array_equal(found.expected, whole + 1)
    assert np.array_equal(found.unpruned, whole)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    (tmp_path / SHA).write_bytes(DATA + b"!")
    with pytest.raises(
        ArtifactError, match=rf"^the model was changed after it was written: .* is {SHA[:12]}…; a new run"
    ):
        content(Artifact(sha256=SHA, path=str(tmp_path / SHA)), "the model")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"the model cannot be read from .*\(No such file"):
        content(Artifact(sha256=SHA, path=str(tmp_path / SHA)), "the model")


def test_bytes_that_are_no_base64_are_refused() -> None:
    with pytest.raises(ArtifactError, match="the model of this turn is damaged"):
        content(Artifact(sha256=SHA, base64="!"), "the model")


def inlined(data: bytes) -> Artifact:
    return Artifact(sha256=hashlib.sha256(data).hexdigest(), base64=base64.b64encode(data).decode())


def test_the_workload_of_a_turn_at_a_batch_has_the_runs_parameters_and_predictions() -> None:
    own = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
    parameters = {name: array * 2 for name, array in own.parameters.items()}
    model = Model(
        trained=inlined(inference.to_bytes(parameters)),
        expected=inlined(inference.to_bytes({inference.PREDICTIONS: np.arange(20.0)})),
    )
    cell = factories.cell(workload="mlp", size="tiny", optimizer=FORWARD_ONLY, batch=2)
    workload = workload_of(turn_from_json(to_json(turn(cell=cell, model=model))))
    assert len(workload.batch.x) == workload.work.samples == 2
    assert np.array_equal(workload.parameters["layer1.bias"], parameters["layer1.bias"])
    assert workload.expected is not None
    assert np.array_equal(workload.expected, np.arange(20.0))


def test_a_turn_at_a_batch_without_parameters_says_so() -> None:
    cell = factories.cell(workload="mlp", size="tiny", optimizer=FORWARD_ONLY, batch=2)
    with pytest.raises(ArtifactError, match="brings no parameters of mlp tiny"):
        workload_of(turn(cell=cell))


def test_a_model_that_was_changed_is_refused_before_an_engine_loads_it(tmp_path: Path) -> None:
    (tmp_path / SHA).write_bytes(b"other")
    model = Model(artifact=Artifact(sha256=SHA, path=str(tmp_path / SHA)))
    with pytest.raises(ArtifactError, match="the model was changed after it was written"):
        workload_of(turn(cell=factories.cell(), model=model))
