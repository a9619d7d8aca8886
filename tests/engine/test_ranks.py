"""Data-parallel steps in containers, on the real engine: one container a replicate, its ranks on its loopback."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.turns.turn import to_record
from harness.launchers.docker import DockerLauncher, why_not
from tests.bench.parallel.conftest import with_star
from tests.engine.project import ROOT
from tests.engine.test_docker_runs import TURN, ours
from tests.factories import cell

pytestmark = pytest.mark.engine

STAR = dataclasses.replace(
    TURN,
    cell=cell(framework="numpy", mode="star", workload="regression_wide", size="tiny", ranks=2, scaling="strong"),
    cpus=(0, 1),
)


@pytest.fixture
def launcher(engine: Any, tmp_path: Path) -> Iterator[DockerLauncher]:
    code = with_star(tmp_path / "code")
    for path in (code, *code.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # a container has another user
    for path in code.parents:
        if path.is_relative_to(tmp_path.parent):
            path.chmod(0o755)
    made = DockerLauncher("cpu", code=code)
    assert made.prepare(["numpy"], lambda line: None) == {}
    yield made
    made.close()
    assert ours(engine) == []


def test_each_rank_has_its_processor_in_one_hardened_container(launcher: DockerLauncher) -> None:
    record = to_record(STAR, launcher.take(STAR, lambda pid, folder: None))
    assert record.status == "ok", record.reason
    assert record.parallel
    assert [rank.cpus for rank in record.parallel.placed] == [(0,), (1,)]
    assert record.environment
    assert record.environment.cpus == (0, 1)


def test_a_rank_that_dies_in_a_container_fails_the_replicate_with_its_words(launcher: DockerLauncher) -> None:
    turn = dataclasses.replace(STAR, named=("PLANTED=parted",))
    record = to_record(turn, launcher.take(turn, lambda pid, folder: None))
    assert record.status == "failed"
    assert "rank 1 of 2, told to run, was ended by SIGKILL" in record.reason


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_pytorch_s_ranks_meet_without_a_network(mode: str, engine: Any) -> None:
    if reason := why_not(["torch"], "cpu"):
        pytest.skip(reason)
    turn = dataclasses.replace(
        STAR, cell=cell(framework="torch", mode=mode, workload="mlp", size="tiny", ranks=2, scaling="strong")
    )
    made = DockerLauncher("cpu", code=ROOT)
    assert made.prepare(["torch"], lambda line: None) == {}
    record = to_record(turn, made.take(turn, lambda pid, folder: None))
    made.close()
    assert record.status == "ok", record.reason
    assert record.parallel
    assert record.parallel.backend == "gloo"
