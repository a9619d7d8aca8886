"""The float64 references of a run: which cells share one, that it is made once, and that a run goes on without."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import adam_of, catalogue
from bench.records.record import Cell
from harness.run.references import INDEX_FILE, References
from harness.store.models import Models
from tests import factories


def cell(framework: str = "torch", **changes: Any) -> Cell:
    named: dict[str, Any] = {"framework": framework, "workload": "convnet", "size": "S", "optimizer": "adam"}
    return factories.cell(**{**named, **changes})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was computed, instead of computing it."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[5:])
        return subprocess.CompletedProcess(command, 0, stdout=f"digest{len(asked)}\n", stderr="")

    monkeypatch.setattr("subprocess.run", run)
    return asked


def references(folder: Path, *cells: Cell) -> References:
    return References(Models(folder), catalogue().workloads, cells)


def test_one_is_made_for_each_rule_and_batch(tmp_path: Path, asked: list[list[str]]) -> None:
    weak: dict[str, Any] = {"ranks": 2, "scaling": "weak"}
    cells = [cell(), cell("jax"), cell("jax", track="memory"), cell("tensorflow"), cell("keras_jax")]
    cells += [cell(**weak), cell("jax", **weak), cell(ranks=2, scaling="strong")]
    made = references(tmp_path, *cells)
    given = [artifact.sha256 if (artifact := made.artifact(each)) else "" for each in cells]
    assert given == ["digest1"] * 3 + ["digest2"] * 2 + ["digest3"] * 2 + ["digest1"]
    assert [adam_of(name) for name in ("torch", "tensorflow")] == ["KINGMA_BA", "EPSILON_HAT"]
    assert [[*rest[:3], rest[4]] for rest in asked] == [
        ["convnet", "S", "adam", "KINGMA_BA"],
        ["convnet", "S", "adam", "EPSILON_HAT"],
        ["convnet", "S", "adam", "KINGMA_BA"],
    ]
    assert [rest[3] for rest in asked] == ["1", "1", "2"]
    again = references(tmp_path, *cells)
    assert again.artifact(cell()) == made.artifact(cell()), "a resumed run finds it"
    assert len(asked) == 3


def test_the_blocks_of_one_cell_share_one(tmp_path: Path, asked: list[list[str]]) -> None:
    made = references(tmp_path, cell(), cell())
    assert made.artifact(cell()) == made.artifact(cell()) is not None
    assert len(asked) == 1


def test_what_is_small_alone_or_without_one_computes_its_own(tmp_path: Path, asked: list[list[str]]) -> None:
    own = [
        cell("numpy"),  # alone with its rule and optimizer
        cell(workload="mlp"),
        cell("jax", workload="mlp"),
        cell("jax", optimizer="none", batch=32),
        cell("torch", optimizer="none", batch=32),
        cell("jax", track="idiomatic"),
        cell("torch", track="idiomatic"),
        cell("jax", track="stream", stream="1MB"),
        cell("torch", track="stream", stream="1MB"),
        cell("unheard_of"),
        cell("unheard_of", track="memory"),
    ]
    made = references(tmp_path, *own)
    assert not any(map(made.artifact, own))
    assert not asked


def test_a_run_goes_on_where_none_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="no room")

    monkeypatch.setattr("subprocess.run", fails)
    made = references(tmp_path, cell(), cell("jax"))
    assert made.artifact(cell()) is None
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("it is not tried again"))
    assert made.artifact(cell("jax")) is None
    (tmp_path / "models" / INDEX_FILE).write_text(json.dumps([1]))
    monkeypatch.setattr("subprocess.run", fails)
    assert references(tmp_path, cell(), cell("jax")).artifact(cell()) is None
