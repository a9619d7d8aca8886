"""Toy: plain Python floats in a loop, to show what a framework's file has to say."""

import signal
import time
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array32, Array64, Sgd, Workload

MODES = {
    "loop": "a Python loop over the points, gradient by hand",
    "capture": "the same, recorded in the second call; the proof counts it",
    "silent": "the same, recorded in the second call; nothing counts it",
    "gpu": "the same on a GPU",
}
BASELINE = "loop"
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}"}
ADAM = KINGMA_BA
FORWARD = {"regression": None}  # written out in `build`

CAPTURE_S = 0.06  # processor time of a recording


def start(device: str, threads: int) -> None:
    """Ask for a signal's handler, as some libraries do: only the main thread may set one."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if device != "cpu":
        raise RuntimeError("Toy computes on the CPU only")


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the regression's step."""
    if mode == "gpu":
        return Skip("Toy's mode gpu needs a GPU")
    points = [(float(x), float(y)) for x, y in zip(*(array.ravel() for array in workload.batch), strict=True)]
    scale = 2 / len(points)
    state = {"weight": 0.0, "bias": 0.0}
    moments = {name: [0.0, 0.0] for name in state}
    optimizer = workload.optimizer
    updates = calls = 0

    def step() -> float:
        nonlocal updates, calls
        updates += 1
        calls += 1
        if calls == 2 and mode != "loop":
            record()
        off = [state["weight"] * x + state["bias"] - y for x, y in points]
        slope = scale * sum(o * x for o, (x, _) in zip(off, points, strict=True))
        for name, gradient in (("weight", slope), ("bias", scale * sum(off))):
            if isinstance(optimizer, Sgd):
                state[name] -= optimizer.learning_rate * gradient
                continue
            m, v = moments[name]
            m = optimizer.beta1 * m + (1 - optimizer.beta1) * gradient
            v = optimizer.beta2 * v + (1 - optimizer.beta2) * gradient**2
            moments[name] = [m, v]
            root = (v / (1 - optimizer.beta2**updates)) ** 0.5 + optimizer.epsilon
            state[name] -= optimizer.learning_rate * m / (1 - optimizer.beta1**updates) / root
        loss: float = fmean(o * o for o in off)
        return loss

    def reset() -> None:
        nonlocal updates
        updates = 0
        state.update({name: float(array.ravel()[0]) for name, array in workload.parameters.items()})
        moments.update({name: [0.0, 0.0] for name in state})

    def proof() -> ModeProof:
        return ModeProof(
            mode=mode,
            device="cpu",
            threads=None,
            precision="float32",
            compilations=min(calls, 2) if mode == "capture" else None,
            evidence="its own count of calls",
        )

    reset()

    def parameters() -> Mapping[str, Array32]:
        return {name: np.full_like(array, state[name]) for name, array in workload.parameters.items()}

    return Step(call=step, reset=reset, parameters=parameters, proof=proof)


def record() -> None:
    """Spend as much time as a recording takes."""
    begin = time.thread_time()
    while time.thread_time() - begin < CAPTURE_S:
        pass


def wait(outputs: Sequence[Output]) -> None:
    """Python has returned when it has computed."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray(outputs, dtype=np.float64)


def memory() -> Allocator:
    """No device, no statistics."""
    return Allocator(why="Toy has no allocator of its own")


def empty_cache() -> bool:
    """Toy keeps nothing."""
    return False


def versions() -> Sequence[str]:
    """NumPy, for the inputs."""
    return (f"numpy=={np.__version__}",)
