"""The reference that a run computes once: the same as a replicate would compute, and refused for other bytes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.protocol.gate import known_references
from bench.reference import inference, known
from bench.reference.trajectory import reference
from bench.reference.workload import EPSILON_HAT, KINGMA_BA, Workload, frozen
from bench.turns.artifacts import ArtifactError
from bench.turns.turn import Artifact
from bench.workloads import make
from tests.bench.protocol.test_replicate import turn


def mlp() -> Workload:
    return make("mlp", size="tiny", optimizer="adam")


def written(folder: Path, capsys: pytest.CaptureFixture[str], times: int = 1) -> Artifact:
    assert known.main([str(folder), "mlp", "tiny", "adam", str(times), "EPSILON_HAT"]) == 0
    name = capsys.readouterr().out.strip()
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == name
    return Artifact(sha256=name, path=str(folder / name))


@pytest.mark.parametrize("times", [1, 2])
def test_it_is_what_the_replicate_would_compute(tmp_path: Path, capsys: pytest.CaptureFixture[str], times: int) -> None:
    given_turn = replace(turn(), reference=written(tmp_path, capsys, times))
    workload = inference.enlarged(mlp(), times) if times > 1 else mlp()
    own = reference(workload, EPSILON_HAT)
    (given,) = known_references(given_turn, workload, EPSILON_HAT).items()
    assert given[0] == workload.steps == len(own.losses)
    assert given[1].losses == own.losses
    assert all(np.array_equal(given[1].parameters[name], own.parameters[name]) for name in workload.parameters)


def test_it_is_taken_for_its_own_bytes_and_rule_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given_turn = replace(turn(), reference=written(tmp_path, capsys))
    moved = {name: frozen(array + 1e-3) for name, array in mlp().parameters.items()}
    others = [
        (mlp(), KINGMA_BA),
        (inference.enlarged(mlp(), 2), EPSILON_HAT),
        (replace(mlp(), parameters=moved), EPSILON_HAT),
        (make("mlp", size="tiny", optimizer="sgd"), EPSILON_HAT),
    ]
    for workload, formula in others:
        assert not known_references(given_turn, workload, formula)


def test_bytes_that_were_changed_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = written(tmp_path, capsys)
    Path(artifact.path).write_bytes(b"other")
    with pytest.raises(ArtifactError, match="the file of the float64 reference was changed"):
        known_references(replace(turn(), reference=artifact), mlp(), EPSILON_HAT)


def test_what_takes_minutes_is_not_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert known.main([str(tmp_path), "mlp", "L", "adam", "1", "KINGMA_BA"]) == 3
    assert "mlp L is not trained in float64" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
