"""How a replicate ends, by what its run raises."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bench.protocol.phases import PhaseClock, ending
from bench.turns import reason


def test_an_error_is_told_although_handlers_of_signals_raise_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's handler of SIGCHLD raises in the main thread for each worker that has died, wherever it is."""
    told, left = reason.of_exception, [RuntimeError("worker 1 is killed"), RuntimeError("worker 2 is killed")]

    def interrupted(error: BaseException) -> reason.Reason:
        if left:
            raise left.pop()
        return told(error)

    def fail() -> None:
        raise ValueError("the loader is broken")

    monkeypatch.setattr(reason, "of_exception", interrupted)
    status, text, failure = ending(PhaseClock(time.perf_counter_ns, lambda phase: None, 0), fail)
    assert (status, text) == ("failed", "startup: ValueError: the loader is broken")
    assert failure
    assert failure.tail[-1] == "ValueError: the loader is broken"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})", "a worker process was ended by SIGKILL: "),
        ("raise SystemExit(3)", ""),
    ],
)
def test_a_lost_connection_is_told_with_the_worker_that_was_killed(end: str, words: str) -> None:
    def fail() -> None:
        raise ConnectionResetError("reset by peer")

    with subprocess.Popen([sys.executable, "-c", end]):
        status, text, _ = ending(PhaseClock(time.perf_counter_ns, lambda phase: None, 0), fail)
    assert (status, text) == ("failed", f"startup: {words}ConnectionResetError: reset by peer")


def test_a_handler_that_raises_for_each_child_that_ends_does_not_hide_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As PyTorch's handler of SIGCHLD does; here children end for as long as the error is described."""
    told = reason.of_exception

    def raise_again(number: int, frame: object) -> None:
        raise RuntimeError("a worker is killed")

    def disturbed(error: BaseException) -> reason.Reason:
        os.kill(os.getpid(), signal.SIGCHLD)
        return told(error)

    def fail() -> None:
        raise ValueError("the loader is broken")

    monkeypatch.setattr(reason, "of_exception", disturbed)
    before = signal.signal(signal.SIGCHLD, raise_again)
    try:
        status, text, _ = ending(PhaseClock(time.perf_counter_ns, lambda phase: None, 0), fail)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert (status, text) == ("failed", "startup: ValueError: the loader is broken")
