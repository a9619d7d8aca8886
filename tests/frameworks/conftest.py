"""What the tests of real frameworks share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is exported once and run by several engines, for the tests of one xdist group."""
    return tmp_path_factory.mktemp("engines")
