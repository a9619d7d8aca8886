"""NumPy: the float32 baseline with a hand-written gradient, what the arithmetic costs without any framework."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.frameworks._numpy_probes import numpy_probes
from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Adam, Array32, Array64, Sgd, Workload

MODES = {"eager": "hand-written gradient and update, one NumPy call after the other"}
BASELINE = "eager"
ERA = 2006
PERIOD = "precursors"
LIMITS = "numpy"
DEVICES = ("cpu",)
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "{threads}", "OMP_NUM_THREADS": "{threads}"}
ADAM = KINGMA_BA

Arrays = Mapping[str, Array32]


def _regression(x: Array32, y: Array32) -> Callable[[Arrays], tuple[Array32, Arrays]]:
    scale = np.float32(2 / y.size)

    def loss_and_gradient(p: Arrays) -> tuple[Array32, Arrays]:
        residual = x @ p["weight"] + p["bias"] - y  # (n, 1)
        slope = residual * scale  # (n, 1)
        return np.asarray(np.mean(np.square(residual))), {"weight": x.T @ slope, "bias": slope.sum(axis=0)}

    return loss_and_gradient


FORWARD = {"regression": _regression, "regression_wide": _regression}


def start(device: str, threads: int) -> None:
    """Nothing to initialise; the thread count comes from the environment."""
    if device != "cpu":
        raise RuntimeError("NumPy computes on the CPU only")


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the regression's step in float32."""
    if precision != FLOAT32:
        return Skip(f"NumPy is measured in float32 only, not {precision}")
    loss_and_gradient = FORWARD[workload.name](workload.batch.x, workload.batch.y)
    p = {name: array.copy() for name, array in workload.parameters.items()}
    update = update_of(workload.optimizer, p)

    def step() -> Array32:
        loss, gradient = loss_and_gradient(p)
        update.apply(gradient)
        return loss

    def reset() -> None:
        for name, array in workload.parameters.items():
            p[name][...] = array
        update.reset()

    def proof() -> ModeProof:
        return ModeProof(
            mode="eager",
            device="cpu",
            threads=None,
            precision=str(p["weight"].dtype),
            compilations=None,
            evidence="NumPy has one mode; the dtype is the parameters'",
        )

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: {name: array.copy() for name, array in p.items()},
        gradient=lambda: loss_and_gradient(p)[1],
        proof=proof,
    )


def update_of(optimizer: Adam | Sgd, parameters: Mapping[str, Array32]) -> "AdamState | SgdState":
    """Return the optimiser that updates `parameters` in place."""
    return AdamState(optimizer, parameters) if isinstance(optimizer, Adam) else SgdState(optimizer, parameters)


class SgdState:
    """Gradient descent keeps no state."""

    def __init__(self, sgd: Sgd, parameters: Mapping[str, Array32]) -> None:
        self.rate = np.float32(sgd.learning_rate)
        self.parameters = parameters

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, gradient: Mapping[str, Array32]) -> None:
        """Make one update of the parameters, in place."""
        for name, g in gradient.items():
            self.parameters[name][...] -= self.rate * g


class AdamState:
    """Kingma and Ba's algorithm 1; the bias corrections are Python floats, as in PyTorch."""

    def __init__(self, adam: Adam, parameters: Mapping[str, Array32]) -> None:
        self.adam = adam
        self.parameters = parameters
        self.reset()

    def reset(self) -> None:
        """Forget all moments."""
        self.step = 0
        self.m = {name: np.zeros_like(array) for name, array in self.parameters.items()}
        self.v = {name: np.zeros_like(array) for name, array in self.parameters.items()}

    def apply(self, gradient: Mapping[str, Array32]) -> None:
        """Make one update of the parameters, in place."""
        adam = self.adam
        self.step += 1
        size = np.float32(adam.learning_rate / (1 - adam.beta1**self.step))
        root = np.float32((1 - adam.beta2**self.step) ** 0.5)
        for name, g in gradient.items():
            m, v = self.m[name], self.v[name]
            m += np.float32(1 - adam.beta1) * (g - m)
            v *= np.float32(adam.beta2)
            v += np.float32(1 - adam.beta2) * np.square(g)
            self.parameters[name][...] -= size * m / (np.sqrt(v) / root + np.float32(adam.epsilon))


def wait(outputs: Sequence[Output]) -> None:
    """NumPy returns when it has computed."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray(outputs, dtype=np.float64).ravel()


def memory() -> Allocator:
    """No device, no statistics."""
    return Allocator(why="NumPy has no allocator of its own")


def empty_cache() -> bool:
    """NumPy keeps nothing."""
    return False


def versions() -> Sequence[str]:
    """NumPy itself."""
    return (f"numpy=={np.__version__}",)


probes = numpy_probes
