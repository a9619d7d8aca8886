"""The cluster that all tests of this folder share. Without Slurm's packages they are skipped; in CI they fail."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.runs import FleetRun

NEEDED = ("slurmctld", "slurmd", "munged", "unshare", "sbatch")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    missing = [name for name in NEEDED if shutil.which(name) is None] or (["root"] if os.getuid() else [])
    if missing:
        why = f"there is no {missing[0]}: apt install slurm-wlm slurm-wlm-basic-plugins munge"
        if os.environ.get("CI"):
            pytest.fail(f"CI has to test a fleet: {why}")
        pytest.skip(f"NOTHING ABOUT A FLEET WAS TESTED: {why}")
    started = Cluster(tmp_path_factory.mktemp("slurm") / "c")
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def fleet(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., FleetRun]]:
    """Describe runs, which are cancelled at the end if they are not over."""
    made: list[FleetRun] = []

    def make(*hosts: str, **options: object) -> FleetRun:
        made.append(FleetRun(cluster, tmp_path / str(len(made)), hosts, options))
        return made[-1]

    yield make
    for run in made:
        run.clean_up()
