"""What every test of this process shares."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _little_to_collect() -> Iterator[None]:
    """Replicates collect garbage by hand, some fifty times each; beside pandas and pytest that took 40 ms every time.

    What is frozen is not looked at, so it stays frozen.
    """
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "unfreeze", lambda: None)
        yield
