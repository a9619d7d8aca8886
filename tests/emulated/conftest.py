"""The emulated hosts of these tests: one driver and one checkout for all, files of its own for each."""

import shutil
from pathlib import Path

import pytest

from tests.emulated.host import Host, checkout, compiled, socket_of


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler on this machine, for the stand-in of the driver")
    return compiled(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = checkout(tmp_path_factory.mktemp("emulated") / "samestep")
    socket_of(root).parent.mkdir()
    return root


@pytest.fixture
def host(tmp_path: Path, library: Path, copy: Path) -> Host:
    return Host(tmp_path, library, copy)


@pytest.fixture(scope="module")
def busy_host(tmp_path_factory: pytest.TempPathFactory, library: Path, copy: Path) -> Host:
    """A host on which time, memory and energy were measured once; tests read what there is."""
    made = Host(tmp_path_factory.mktemp("host"), library, copy)
    made.ran = made.run("--measure", "time,memory,energy")
    return made
