"""A program that runs free takes turns from outside, and only its whole rounds within a slice count."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from bench.records.record import Timing
from harness.standalone.alternate import FreeRunning, Round, Window, timing_of
from harness.stats import alternation
from tests import factories


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    code = "import time\nwhile True: time.sleep(0.01)"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as started:
        yield started
        started.kill()


def free(program: subprocess.Popen[bytes], ready_after: int = 1) -> FreeRunning:
    looks = iter(range(ready_after))
    return FreeRunning(
        program.pid, is_ready=lambda: next(looks, None) is None, has_ended=lambda: program.poll() is not None
    )


def is_stopped(program: subprocess.Popen[bytes]) -> bool:
    return bool(psutil.Process(program.pid).status() == psutil.STATUS_STOPPED)


def test_it_is_stopped_from_its_first_round_on_except_in_its_slices(program: subprocess.Popen[bytes]) -> None:
    running = free(program)
    running.start()
    assert is_stopped(program)
    for _ in range(3):
        running.run_slice(0.01)
        assert is_stopped(program)
    running.finish()
    time.sleep(0.05)
    assert not is_stopped(program)
    assert len(running.windows) == 3
    assert all(window.end_ns - window.begin_ns >= 10_000_000 for window in running.windows)


def test_one_that_has_ended_has_no_more_slices(program: subprocess.Popen[bytes]) -> None:
    running = free(program, ready_after=10**6)
    program.kill()
    program.wait()
    running.start()
    running.run_slice(60.0)
    running.finish()
    assert running.windows == []


WINDOWS = [Window(begin_ns=2000 * number, end_ns=2000 * number + 1000) for number in range(8)]


def rounds(*lengths: tuple[int, int]) -> list[Round]:
    """Rounds of these (steps, ns), over and over without a pause, until the last window ends."""
    found, at = [], 0
    while at < WINDOWS[-1].end_ns:
        for steps, duration in lengths:
            found.append(Round(begin_ns=at, end_ns=at + duration, steps=steps))
            at += duration
    return found


def test_only_whole_rounds_within_a_slice_count_and_the_first_is_left_out() -> None:
    timing = timing_of(rounds((1, 300)), WINDOWS)
    assert timing is not None
    assert set(timing.round_ns) == {300}
    assert sum(timing.slice_rounds) == len(timing.round_ns)
    assert timing.slice_rounds[0] == 2  # 0 to 300 is left out, 900 to 1200 is cut
    for begin in timing.round_begin_ns:
        assert any(window.begin_ns <= begin and begin + 300 <= window.end_ns for window in WINDOWS)


def test_short_rounds_of_the_first_half_millisecond_of_a_slice_are_left_out() -> None:
    slice_ = [Window(begin_ns=0, end_ns=2_000_000)]
    timing = timing_of([Round(begin_ns=at, end_ns=at + 1000, steps=1) for at in range(0, 2_000_000, 1000)], slice_)
    assert timing is not None
    assert timing.round_begin_ns[0] == 500_000
    assert timing.slice_rounds == (50,)  # no more count, as in a replicate


def test_one_round_in_a_slice_is_kept() -> None:
    timing = timing_of([Round(begin_ns=2100, end_ns=2900, steps=1)], WINDOWS)
    assert timing is not None
    assert timing.slice_rounds == (0, 1, 0, 0, 0, 0, 0, 0)
    assert timing_of([Round(begin_ns=900, end_ns=2100, steps=1)], WINDOWS) is None
    assert timing_of([], WINDOWS) is None


def test_cpu_times_are_kept_where_every_round_has_one() -> None:
    known = [dataclasses.replace(each, cpu_ns=each.duration_ns - 1) for each in rounds((1, 300))]
    timing = timing_of(known, WINDOWS)
    assert timing is not None
    assert timing.round_cpu_ns == (299,) * len(timing.round_ns)
    mixed = timing_of([*known[:-6], *rounds((1, 300))[-6:]], WINDOWS)
    assert mixed is not None
    assert mixed.round_cpu_ns == ()


def test_fits_count_in_pairs() -> None:
    timing = timing_of(rounds((10, 100), (20, 150)), WINDOWS)
    assert timing is not None
    assert set(timing.round_ns) == {100}
    assert set(timing.double_round_ns) == {150}
    assert len(timing.round_ns) == len(timing.double_round_ns)


def test_it_is_compared_with_a_replicate_as_replicates_are_with_each_other() -> None:
    script = timing_of(rounds((2, 200)), WINDOWS)
    samestep = dataclasses.replace(
        factories.timing(calls_per_round=1),
        round_ns=(110,) * 8,
        round_begin_ns=tuple(window.begin_ns + 1000 for window in WINDOWS),
        slice_rounds=(1,) * 8,
    )
    assert script is not None
    assert isinstance(samestep, Timing)
    assert alternation.ratio(samestep, script) == pytest.approx(1.1)
