"""One variant of a step as a callable."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from bench.workloads import make
from harness.peers.steps import STEPS

WARM_CALLS = 5  # traces, compiles, first touches of memory


@functools.cache
def started(name: str) -> Any:
    """Return the framework, with one thread; that can be set once in a process."""
    framework: Any = importlib.import_module(f"bench.frameworks.{name}")
    framework.start("cpu", 1)
    return framework


def callable_of(step: str, inner: int) -> Callable[[], None]:
    """Return a callable that makes the step `inner` times and waits; it has been called and has compiled."""
    chosen = STEPS[step]
    framework = started(chosen.framework)
    built = framework.build(make(chosen.workload, size=chosen.size, optimizer="adam"), chosen.mode, "float32")

    def call() -> None:
        framework.wait(built.run(inner))

    for _ in range(WARM_CALLS):
        call()
    return call
