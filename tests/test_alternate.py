"""Two processes take turns: between slices both stand still, and in the end neither does."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from harness import alternate
from harness.alternate import Side


@pytest.fixture
def pair() -> Iterator[list[psutil.Process]]:
    code = "import time\nwhile True: time.sleep(0.01)"
    started = [subprocess.Popen([sys.executable, "-c", code], start_new_session=True) for _ in range(2)]
    yield [psutil.Process(one.pid) for one in started]
    for one in started:
        one.kill()
        one.wait()


def side(process: psutil.Process, *, ready: bool = True) -> Side:
    return Side(process=lambda: process, is_ready=lambda: ready)


def stopped(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_STOPPED)


def run(one: Side, other: Side, looks: int, processes: list[psutil.Process]) -> list[list[bool]]:
    """Alternate until it was asked `looks` times whether one has ended; return who was stopped at each look."""
    seen: list[list[bool]] = []

    def ended() -> bool:
        seen.append([stopped(process) for process in processes])
        return len(seen) > looks

    alternate.alternate(one, other, ended)
    return seen


def test_between_slices_both_stand_still_and_in_the_end_neither(
    pair: list[psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternate, "SLICE_S", 0.01)
    seen = run(side(pair[0]), side(pair[1]), 6, pair)
    assert seen[-1] == [True, True]  # each had its slice and was stopped after it
    assert [stopped(process) for process in pair] == [False, False]


def test_who_begins_first_waits_for_the_other(pair: list[psutil.Process]) -> None:
    seen = run(side(pair[0]), side(pair[1], ready=False), 6, pair)
    assert seen[-1] == [True, False]
    assert [stopped(process) for process in pair] == [False, False]


def test_one_that_has_not_started_or_has_ended_is_nobody_to_stop(pair: list[psutil.Process]) -> None:
    nobody = Side(process=lambda: None, is_ready=lambda: False)
    assert run(nobody, side(pair[0]), 3, pair[:1])[-1] == [True]
