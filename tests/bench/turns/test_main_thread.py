"""Pytest runs beside the main thread, and what its test hands over runs in the main thread."""

import inspect
import signal
import threading

import pytest

from bench.turns.main_thread import beside, in_main


def test_what_is_handed_over_runs_in_the_main_thread_and_its_result_comes_back() -> None:
    found: list[object] = []

    def run() -> None:
        found.append(threading.current_thread() is threading.main_thread())
        found.append(in_main(lambda: threading.current_thread() is threading.main_thread()))
        found.append(in_main(lambda: signal.signal(signal.SIGUSR1, signal.SIG_DFL)))

    beside(run)

    assert found[:2] == [False, True]
    assert len(found) == 3


def test_an_error_is_raised_where_it_was_handed_over() -> None:
    found: list[str] = []

    def wrong() -> None:
        raise RuntimeError("wrong")

    def run() -> None:
        try:
            in_main(wrong)
        except RuntimeError as error:
            found.append(str(error))

    beside(run)

    assert found == ["wrong"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_ends_with_the_other_thread_even_where_that_fails() -> None:
    beside(lambda: 1 / 0)


def test_outside_it_runs_where_it_is() -> None:
    assert in_main(threading.current_thread) is threading.current_thread()


def test_the_stack_beneath_is_that_of_the_main_thread_and_not_pytests() -> None:
    depths: list[int] = []
    here = len(inspect.stack())

    def deeper(calls: int) -> None:
        if calls:
            deeper(calls - 1)
        else:
            depths.append(in_main(lambda: len(inspect.stack())))

    beside(lambda: deeper(50))

    assert depths[0] <= here + 3
