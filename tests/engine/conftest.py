"""The engine, the images, a compose project of one's own. Without an engine the tests are skipped; in CI they fail."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.doctor.survey import output
from harness.errors import SetupError
from harness.launchers import docker
from tests.engine.project import ROOT, Project, base_image, give_up


@pytest.fixture(scope="session", autouse=True)
def engine() -> Iterator[Any]:
    try:
        client = docker.connect()
    except SetupError as error:
        give_up(str(error))
    yield client
    client.close()


@pytest.fixture(scope="session", autouse=True)
def images(engine: Any) -> None:
    """Build what the tests run: the smallest framework, and the harness."""
    if not output(["docker", "compose", "version"]):
        give_up("there is no docker compose")
    done = subprocess.run(
        ["docker", "compose", "--env-file", "images/cpu.env", "build", "numpy", "harness"],
        cwd=ROOT,
        env={**os.environ, **base_image(engine)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail("\n".join((done.stdout + done.stderr).splitlines()[-20:]))


@pytest.fixture
def project(engine: Any, tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Make compose projects, which are taken down at the end."""
    made: list[Project] = []

    def make(root: Path = ROOT, **variables: str) -> Project:
        results = tmp_path / f"results-{len(made)}"
        results.mkdir()
        if os.getuid() == 0:  # so that it shows whose the results become
            os.chown(results, 1234, 1235)
        made.append(Project(root, results, {**base_image(engine), **variables}))
        return made[-1]

    yield make
    for each in made:
        each.down()
