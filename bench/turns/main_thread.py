"""Run a function in the main thread, on a stack of its own, while pytest waits in another thread. Stdlib only.

A test under pytest is fifty calls deep, and Python code with many calls is slower there (decision 1). Some of what a
framework uses, such as `signal`, works in the main thread only. So pytest runs in a second thread, and its test hands
the replicate to the main thread.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

T = TypeVar("T")
Job = tuple[Callable[[], Any], "Future[Any]"]

_jobs: Final["queue.SimpleQueue[Job | None]"] = queue.SimpleQueue()
_helper: list[threading.Thread] = []  # the thread beside the main one, while `beside` runs


def beside(run: Callable[[], object]) -> None:
    """Run `run` in a second thread until it ends; meanwhile this thread, the main one, runs what `in_main` is given."""

    def go() -> None:
        try:
            run()
        finally:
            _jobs.put(None)

    thread = threading.Thread(target=go, name="pytest", daemon=True)
    _helper.append(thread)
    thread.start()
    while (job := _jobs.get()) is not None:
        function, future = job
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits for it
            future.set_exception(error)
        else:
            future.set_result(result)
    thread.join()
    _helper.clear()


def in_main(function: Callable[[], T]) -> T:
    """Return what `function` returns in the main thread, or raise what it raises; outside `beside` it runs here."""
    if threading.current_thread() not in _helper:
        return function()
    future: Future[T] = Future()
    _jobs.put((function, future))
    return future.result()
