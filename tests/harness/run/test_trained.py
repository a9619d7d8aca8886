"""The trained models of a run: one process in float64 for each workload and size, found again by a resumed run."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.records.record import FORWARD_ONLY, Cell, Record
from bench.reference import inference
from bench.turns.turn import Artifact
from bench.workloads import make
from harness.plan.plan import PlannedReplicate
from harness.run.models import Exports
from harness.run.runner import inlined
from harness.run.trained import Trained, TrainingError
from harness.store.models import Models, inline
from tests import factories


def cell(batch: int = 1, **changes: str) -> Cell:
    return factories.cell(workload="mlp", size="tiny", optimizer=FORWARD_ONLY, batch=batch, **changes)


def read(artifact: Artifact | None) -> bytes:
    assert artifact
    data = Path(artifact.path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == artifact.sha256 == Path(artifact.path).name
    return data


def test_the_parameters_and_the_predictions_of_every_batch_are_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(Models(tmp_path), (cell(1), cell(5)))

    one = trained.model(cell(1))

    parameters = inference.from_bytes(read(one.trained))
    expected = inference.trained(make("mlp", size="tiny", optimizer="adam"))
    assert all(np.allclose(parameters[name], array, atol=1e-6) for name, array in expected.items())
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("nothing more is computed"))
    five = trained.model(cell(5))
    assert five.trained == one.trained
    workload = inference.at_batch(make("mlp", size="tiny", optimizer=FORWARD_ONLY), 5, parameters)
    found = inference.from_bytes(read(five.expected))[inference.PREDICTIONS]
    assert np.allclose(found, inference.predictions(workload), rtol=1e-12)
    assert Trained(Models(tmp_path), ()).model(cell(5)) == five, "a resumed run finds them"


def test_a_pruned_model_is_expected_to_predict_as_its_pruned_parameters_do(tmp_path: Path) -> None:
    trained = Trained(Models(tmp_path), (cell(3), cell(3, precision="pruned-90")))
    whole, pruned = trained.model(cell(3)), trained.model(cell(3, precision="pruned-90"))
    assert whole.trained == pruned.trained, "the parameters are the run's"
    parameters = inference.from_bytes(read(pruned.trained))
    told = inference.from_bytes(read(pruned.expected))
    untrained = make("mlp", size="tiny", optimizer=FORWARD_ONLY)
    workload = inference.at_batch(untrained, 3, parameters, percent=90)
    assert np.allclose(told[inference.PREDICTIONS], inference.predictions(workload), rtol=1e-12)
    before = inference.from_bytes(read(whole.expected))[inference.PREDICTIONS]
    assert np.array_equal(told[inference.UNPRUNED], before)
    assert not np.allclose(before, told[inference.PREDICTIONS], atol=0.01)


def test_a_model_that_cannot_be_trained_is_the_reason_of_its_cells(tmp_path: Path) -> None:
    trained = Trained(Models(tmp_path), ())
    with pytest.raises(TrainingError, match="mlp XL is not trained in float64") as caught:
        trained.model(replace(cell(), size="XL"))
    assert caught.value.is_skip
    exports = Exports(
        (), (), lambda *_, **__: pytest.fail("no export"), artifact=Models(tmp_path).artifact, trained=trained
    )
    planned = PlannedReplicate(position=1, block=1, cell=replace(cell(), size="XL"), hash_seed=1)
    record = exports.model(planned)
    assert isinstance(record, Record)
    assert (record.status, record.reason) == ("skipped", "mlp XL is not trained in float64: that takes hours")


def test_a_failure_is_no_skip(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="KeyError") as caught:
        Trained(Models(tmp_path), ()).model(replace(cell(), size="nosize"))
    assert not caught.value.is_skip


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    models = Models(tmp_path)
    models.folder.mkdir()
    (models.folder / "trained.json").write_text("{", encoding="utf-8")
    assert Trained(models, ()).model(cell()).trained
    assert json.loads((models.folder / "trained.json").read_text(encoding="utf-8"))["mlp/tiny"]["expected"]


def test_a_container_gets_the_bytes_and_no_path(tmp_path: Path) -> None:
    model = Trained(Models(tmp_path), ()).model(cell())
    given = inlined(model)
    assert given.trained
    assert (given.trained.path, given.trained.sha256) == ("", model.trained.sha256 if model.trained else "")
    assert given.trained.base64
    assert model.trained
    assert inline(model.trained, most_bytes=3) is None, "what a message cannot hold is left out"


def test_the_bytes_of_an_export_lie_beside_the_records(tmp_path: Path) -> None:
    data = b"model"
    export = factories.export().export
    assert export
    sent = replace(export, sha256=hashlib.sha256(data).hexdigest(), model_base64="bW9kZWw=")
    kept = Models(tmp_path).kept(factories.export(export=sent))
    assert kept.export == replace(sent, model_base64="")
    assert read(Models(tmp_path).artifact(sent.sha256)) == data
