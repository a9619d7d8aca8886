"""Two variants under pytest-benchmark, as one group of a test file; STEP, A and B come from the environment."""

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.peers.programs.variant import callable_of


@pytest.mark.parametrize("variant", ["A", "B"])
def test_step(benchmark: BenchmarkFixture, variant: str) -> None:
    """Time one variant."""
    benchmark(callable_of(os.environ["STEP"], int(os.environ[variant])))
