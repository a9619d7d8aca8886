"""The adapter between pytest-benchmark and the protocol: `pedantic` measures, a Record comes out."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.protocol.rounds import EnoughRounds, Rounds
from bench.turns import turn as turns
from bench.turns.turn import Turn


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the folder of the turn."""
    parser.addoption("--turn", type=Path, help="folder with turn.json; see bench/turns/turn.py")


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """Return the folder of the turn."""
    path: Path | None = request.config.getoption("--turn")
    if path is None:
        pytest.skip("needs --turn FOLDER, which `samestep run` passes")
    return path


@pytest.fixture
def turn(folder: Path) -> Turn:
    """Return the turn to run."""
    return turns.turn_from_json((folder / turns.TURN_FILE).read_text(encoding="utf-8"))


@pytest.fixture
def rounds(benchmark: BenchmarkFixture) -> Rounds:
    """Return pytest-benchmark's `pedantic` as the protocol's way of timing rounds.

    One iteration a round: with more, pedantic makes one extra call and stores durations already divided.
    """

    def timed(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        with contextlib.suppress(EnoughRounds):
            benchmark.pedantic(run, setup=before, rounds=count, iterations=1, warmup_rounds=0)  # type: ignore[no-untyped-call]
        assert benchmark.stats is not None
        seconds: list[float] = benchmark.stats.stats.data
        return [round(duration * 1e9) for duration in seconds]

    return timed
