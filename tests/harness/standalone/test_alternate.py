"""Two processes take turns: between slices both stand still, in the end neither does; their ratio is of neighbours."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from harness.standalone import alternate
from harness.standalone.alternate import Round, Side, Slice


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


SLICES = [Slice(side=number % 2, begin_ns=1000 * number, end_ns=1000 * number + 1000) for number in range(20)]


def rounds(side: int, lengths: dict[int, int], slow_from: int = 99_999) -> list[Round]:
    """Two rounds of each length (steps: ns) in each slice of a side; twice as long on a machine that turns slow."""
    found = []
    for one in SLICES:
        at = one.begin_ns
        for steps, duration in [*lengths.items(), *lengths.items()] if one.side == side else []:
            end = at + duration * (2 if one.begin_ns >= slow_from else 1)
            found.append(Round(begin_ns=at, end_ns=end, steps=steps))
            at = end
    return found


class TestRatio:
    """Side 0 takes 1.1 times as long as side 1."""

    def test_what_changes_for_both_cancels(self) -> None:
        # The medians of all rounds would say 0.55: one more slice of side 1 is slow.
        both = rounds(0, {10: 110}, slow_from=10_000), rounds(1, {10: 100}, slow_from=9_000)
        assert alternate.ratio(SLICES, both) == pytest.approx(1.1)

    def test_a_round_that_was_cut_counts_nowhere(self) -> None:
        cut = [Round(begin_ns=one.begin_ns + 700, end_ns=one.end_ns + 1050, steps=1) for one in SLICES if one.side == 0]
        assert alternate.ratio(SLICES, ([*cut, *rounds(0, {10: 110})], rounds(1, {10: 100}))) == pytest.approx(1.1)

    def test_too_few_neighbours_give_no_ratio(self) -> None:
        both = rounds(0, {10: 110}), rounds(1, {10: 100})
        assert alternate.ratio(SLICES[:5], both) is None
        assert alternate.ratio(SLICES, ([], both[1])) is None

    def test_of_fits_it_is_that_of_the_slopes(self) -> None:
        # A fit costs 50 by itself and a step 10 by side 0, 30 and 5 by side 1: one step is twice as dear.
        both = rounds(0, {8: 130, 16: 210}, slow_from=10_000), rounds(1, {8: 70, 16: 110}, slow_from=10_000)
        assert alternate.slope_ratio(SLICES, both) == pytest.approx(2.0)
        assert alternate.slope_ratio(SLICES[:5], both) is None
