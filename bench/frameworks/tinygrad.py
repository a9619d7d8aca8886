"""tinygrad: every tensor is a recipe until it is realised; each kernel is written in C and compiled by clang.

The loss is realised together with the optimiser's updates. `Adam.step()` first, then the loss, would give the loss of
the weights that the step has just updated. TinyJit records the kernels of the second call and replays them; the loss
of a replay lies in one buffer, so each step copies its number out.
"""

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from tinygrad import Context, Device, GlobalCounters, Tensor, TinyJit, nn

from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Adam, Array32, Array64, Sgd, Workload

MODES = {
    "lazy": "the recipe of a whole step is made, scheduled and realised anew in each step",
    "tinyjit": "the same function under TinyJit, which replays the kernels that it recorded",
}
BASELINE = "lazy"
ERA = 2020
PERIOD = "today"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"clang": "clang"}
ENVIRONMENT = {"CPU_COUNT": "{threads}", "DEV": "CPU", "CACHEDB": "{scratch}/tinygrad.db"}
ADAM = KINGMA_BA
NAMES: Final = {"float": "float32"}  # of its dtypes, as in C
FORWARD = {"regression": nn.Linear, "regression_wide": nn.Linear}


def start(device: str, threads: int) -> None:
    """Nothing to initialise: device and threads come from the environment."""
    if device != "cpu":
        raise RuntimeError("tinygrad is measured on the CPU only")


class _Training:
    """One `nn.Linear` and its optimiser, and a count of what ran."""

    def __init__(self, workload: Workload, mode: str) -> None:
        self.x, self.y = (Tensor(array.copy()).realize() for array in workload.batch)
        self.model = FORWARD[workload.name](*workload.parameters["weight"].shape)
        self.optimizer = _optimizer_of(workload.optimizer, nn.state.get_parameters(self.model))
        weight = np.ascontiguousarray(workload.parameters["weight"].T)
        self.begin = {"weight": weight, "bias": workload.parameters["bias"]}
        self.runs = self.calls = self.kernels = 0  # of the step's Python, of the step, of the last call's device
        eager: Callable[[], Tensor] = Context(TRAINING=1)(self.step)
        self.jitted: Any = TinyJit(eager) if mode == "tinyjit" else None
        self.advance = self.jitted or eager
        self.reset()

    def step(self) -> Tensor:
        self.runs += 1
        self.optimizer.zero_grad()
        loss = (self.model(self.x) - self.y).square().mean().backward()
        return loss.realize(*self.optimizer.schedule_step())

    def call(self) -> float:
        self.calls += 1
        before = GlobalCounters.kernel_count
        loss: float = self.advance().item()
        self.kernels = GlobalCounters.kernel_count - before
        return loss

    def reset(self) -> None:
        for name, array in self.begin.items():
            getattr(self.model, name).assign(Tensor(array.copy())).realize()
        for tensor, value in _moments(self.optimizer):
            tensor.assign(Tensor.full(tensor.shape, value)).realize()

    def parameters(self) -> Mapping[str, Array32]:
        return {"weight": self.model.weight.numpy().T.copy(), "bias": self.model.bias.numpy().copy()}

    def proof(self) -> ModeProof:
        jitted, weight = self.jitted, self.model.weight
        recorded = int(jitted is not None and jitted.captured is not None)
        replays = recorded and self.runs < self.calls
        runs = None if jitted is None else self.runs
        return ModeProof(
            mode="tinyjit" if replays else "lazy",
            device=str(weight.device).lower(),
            threads=None,
            precision=NAMES.get(weight.dtype.name, weight.dtype.name),
            compilations=runs,
            traces=runs,
            graph_breaks=None if jitted is None else 0,  # a replay has the kernels that were recorded, and no others
            graphs=None if jitted is None else recorded,
            evidence=f"the step's Python ran {self.runs} times in {self.calls} calls; the last had {self.kernels}"
            f" kernels; TinyJit has recorded {recorded} graphs; the default device is {Device.DEFAULT}; device and"
            " dtype are the weight's",
        )


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of one `nn.Linear`."""
    if precision != FLOAT32:
        return Skip(f"tinygrad is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("tinygrad is measured where it trains")
    made = _Training(workload, mode)
    return Step(call=made.call, reset=made.reset, parameters=made.parameters, proof=made.proof)


def _moments(optimizer: Any) -> Sequence[tuple[Tensor, float]]:
    """Return the tensors of an optimiser's state, each with the number that it begins with."""
    if not hasattr(optimizer, "m"):
        return []
    return [(optimizer.b1_t, 1.0), (optimizer.b2_t, 1.0), *((each, 0.0) for each in (*optimizer.m, *optimizer.v))]


def _optimizer_of(optimizer: Adam | Sgd, parameters: Sequence[Tensor]) -> Any:
    if isinstance(optimizer, Sgd):
        return nn.optim.SGD(parameters, lr=optimizer.learning_rate)
    constants = {"b1": optimizer.beta1, "b2": optimizer.beta2, "eps": optimizer.epsilon}
    return nn.optim.Adam(parameters, lr=optimizer.learning_rate, **constants)


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: each step has waited for its number."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray(outputs, dtype=np.float64)


def memory() -> Allocator:
    """Return how many bytes tinygrad's buffers hold."""
    return Allocator(allocated_bytes=GlobalCounters.mem_used, why="tinygrad counts the bytes that are in use, no peak")


def empty_cache() -> bool:
    """There is no such call for the CPU."""
    return False


def versions() -> Sequence[str]:
    """The library, and NumPy for the inputs."""
    return (f"tinygrad=={importlib.metadata.version('tinygrad')}", f"numpy=={np.__version__}")
