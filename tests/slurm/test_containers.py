"""A fleet whose tasks run in containers: the engine is no child of a job, so a job has to take its containers along."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.errors import OK, SetupError
from harness.launchers import docker
from tests.engine.project import base_image, give_up
from tests.slurm.cluster import Cluster
from tests.slurm.runs import H200, ROOT, FleetRun

pytestmark = [pytest.mark.slurm, pytest.mark.engine, pytest.mark.timeout(600)]  # the first build fetches packages
Fleet = Callable[..., FleetRun]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """The engine, with NumPy's image."""
    try:
        client = docker.connect()
    except SetupError as error:
        give_up(str(error))
    built = subprocess.run(
        [sys.executable, "-m", "harness", "build", "numpy", "--device", "cpu"],
        cwd=ROOT,
        env={**os.environ, **base_image(client)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == OK, built.stdout + built.stderr
    yield client
    client.close()


def containers(engine: Any, run: FleetRun) -> list[str]:
    """The containers of a run's tasks, living or not: what they mount is in the folder of one of them."""
    found = engine.containers.list(all=True, filters={"label": docker.OWNER}, ignore_removed=True)
    return [each.name for each in found if run.folder.fleet.id in str(each.attrs["Mounts"])]


def test_scancel_leaves_no_process_and_no_container(fleet: Fleet, cluster: Cluster, engine: Any) -> None:
    run = fleet(H200, launcher="docker", blocks=4)
    run.submit()
    run.until_it_measures("gpu1")
    run.until(lambda: containers(engine, run))
    (submission,) = run.folder.submissions()
    cluster.said("scancel", f"--name={submission.name}")
    run.until(lambda: not run.processes())
    cluster.wait_idle("gpu1")
    assert containers(engine, run) == []
    (attempt,) = run.attempts()
    assert attempt.ended is not None
    assert attempt.ended.code == 130
    assert list((cluster.base / "scratch").glob(f"*{run.folder.fleet.id}*")) == []


def test_a_task_measures_in_containers_and_leaves_none(fleet: Fleet, engine: Any) -> None:
    run = fleet(H200, launcher="docker")
    run.submit()
    watched = run.watch()
    assert watched.returncode == OK, watched.stdout
    assert containers(engine, run) == []
    collected = run.run("collect", run.folder.path, "--results", run.results)
    assert collected.returncode == OK, collected.stderr
    (records,) = run.results.glob("*/records.jsonl")
    assert "samestep/numpy:cpu@sha256:" in records.read_text()
