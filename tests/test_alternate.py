"""Two processes take turns: between slices both stand still, in the end neither does; their ratio is of neighbours."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from harness import alternate
from harness.alternate import Round, Side, Slice


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternate, "SLICE_S", 0.01)


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
        time.sleep(0.01)  # a signal takes a moment to arrive
        seen.append([stopped(process) for process in processes])
        return len(seen) > looks

    slices = alternate.alternate(one, other, ended)
    assert [one.side for one in slices] == [number % 2 for number in range(len(slices))]
    assert all(one.begin_ns < one.end_ns for one in slices)
    assert all(left.end_ns <= right.begin_ns for left, right in itertools.pairwise(slices))
    return seen


def test_between_slices_both_stand_still_and_in_the_end_neither(pair: list[psutil.Process]) -> None:
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


class TestRatio:
    """Side 0 takes 1.1 times as long as side 1, on a machine of which the speed changes."""

    @staticmethod
    def slices(count: int) -> list[Slice]:
        return [Slice(number % 2, 100 * number, 100 * number + 100) for number in range(count)]

    @staticmethod
    def rounds(slices: list[Slice], side: int, step_ns: float, slow_from: int) -> list[Round]:
        return [
            Round(begin, begin + 30, step_ns * (2 if begin >= slow_from else 1))
            for one in slices
            if one.side == side
            for begin in (one.begin_ns, one.begin_ns + 35)
        ]

    def test_what_changes_for_both_cancels(self) -> None:
        slices = self.slices(20)
        # The medians of all rounds would say 0.55: one more slice of side 1 is slow.
        both = self.rounds(slices, 0, 11, slow_from=1000), self.rounds(slices, 1, 10, slow_from=900)
        assert alternate.ratio(slices, both) == pytest.approx(1.1)

    def test_a_round_that_was_cut_counts_nowhere(self) -> None:
        slices = self.slices(20)
        whole = self.rounds(slices, 0, 11, slow_from=9999), self.rounds(slices, 1, 10, slow_from=9999)
        cut = [Round(one.begin_ns + 70, one.end_ns + 105, 1e9) for one in slices if one.side == 0]
        assert alternate.ratio(slices, ([*cut, *whole[0]], whole[1])) == pytest.approx(1.1)

    def test_too_few_neighbours_give_no_ratio(self) -> None:
        slices = self.slices(5)
        both = self.rounds(slices, 0, 11, slow_from=9999), self.rounds(slices, 1, 10, slow_from=9999)
        assert alternate.ratio(slices, both) is None
        assert alternate.ratio(self.slices(20), ([], both[1])) is None
