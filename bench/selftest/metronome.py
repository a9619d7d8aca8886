"""Metronome: steps of known cost, which test the clock and the statistics (`samestep selftest`)."""

import dataclasses
import time
from collections.abc import Callable
from typing import Final

from bench.frameworks import numpy as base
from bench.interface import Output, Skip, Step
from bench.reference.workload import Workload

MODES = {
    "tick-100us": "one NumPy step, then waiting until the kernel's raw clock has moved by 100 µs",
    "tick-1ms": "the same, by 1 ms",
    "tick-10ms": "the same, by 10 ms",
    "work": "100 NumPy steps",
    "same": "the same work under another label",
    "more-3": "103 NumPy steps: 3 % more",
    "more-5": "105 NumPy steps: 5 % more",
}
BASELINE = "work"
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "{threads}", "OMP_NUM_THREADS": "{threads}"}
ADAM = base.ADAM
FORWARD = {"regression": base.FORWARD["regression"]}
TICK_NS: Final = {"tick-100us": 100_000, "tick-1ms": 1_000_000, "tick-10ms": 10_000_000}
STEPS: Final = {"work": 100, "same": 100, "more-3": 103, "more-5": 105}

start = base.start
wait = base.wait
to_numpy = base.to_numpy
memory = base.memory
versions = base.versions


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return NumPy's step of the regression, extended to the cost that the mode names."""
    step = base.build(workload, "eager", precision)
    if isinstance(step, Skip) or step.call is None:
        return step
    if mode in TICK_NS:
        call = _tick(step.call, TICK_NS[mode])
    else:
        call = _repeat(step.call, _another(workload, precision), STEPS[mode])
    return dataclasses.replace(step, call=call, proof=lambda: dataclasses.replace(step.proof(), mode=mode))


def _tick(call: Callable[[], Output], ns: int) -> Callable[[], Output]:
    """Return `call`, extended to `ns` by another clock than the one that samestep reads."""
    clock, raw = time.clock_gettime_ns, time.CLOCK_MONOTONIC_RAW

    def tick() -> Output:
        end = clock(raw) + ns
        loss = call()
        while clock(raw) < end:
            pass
        return loss

    return tick


def _another(workload: Workload, precision: str) -> Callable[[], Output]:
    """Return the step of a second model: the same work, without changing the first model."""
    other = base.build(workload, "eager", precision)
    assert isinstance(other, Step)
    assert other.call
    return other.call


def _repeat(call: Callable[[], Output], more: Callable[[], Output], steps: int) -> Callable[[], Output]:
    def repeat() -> Output:
        for _ in range(steps - 1):
            more()
        return call()

    return repeat
