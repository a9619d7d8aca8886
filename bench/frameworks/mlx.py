"""MLX: arrays that are computed when they are asked for, on Linux's CPU; step by step, or with `mx.compile`.

`mx.compile` writes each fused kernel in C++ and has g++ compile it, as it is on this device. MLX's Adam leaves out the
bias corrections unless `bias_correction=True`. Its step ends in `mx.eval` of the loss and of all that it updated, as in
its documentation.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten

from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Adam, Array32, Array64, Sgd, Workload
from bench.turns.prepare import scratch

MODES = {
    "eager": "nn.value_and_grad and the optimiser's update, evaluated once a step",
    "compile": "the same function under mx.compile, which traces it once and fuses its kernels",
}
BASELINE = "eager"
ERA = 2023
PERIOD = "today"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"g++": "g++"}
PROGRAM_MODES = ("compile",)
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}", "OPENBLAS_NUM_THREADS": "{threads}"}
ADAM = KINGMA_BA
FORWARD = {"regression": nn.Linear, "regression_wide": nn.Linear}


def start(device: str, threads: int) -> None:
    """Choose the CPU; the thread count comes from the environment."""
    if device != "cpu":
        raise RuntimeError("MLX is measured on the CPU only")
    mx.set_default_device(mx.cpu)


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of one `nn.Linear`."""
    if precision != FLOAT32:
        return Skip(f"MLX is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("MLX is measured where it trains")
    x, y = (mx.array(array) for array in workload.batch)
    given = x
    model = FORWARD[workload.name](*workload.parameters["weight"].shape)
    optimizer = _optimizer_of(workload.optimizer)
    optimizer.init(model.trainable_parameters())
    first = {name: np.array(value) for name, value in tree_flatten(optimizer.state)}
    ran = Counter[str]()  # the step's Python: "values" at each step, "placeholders" at each trace

    def loss_of(model: Any, x: mx.array, y: mx.array) -> mx.array:
        return nn.losses.mse_loss(model(x), y)

    loss_and_gradient = nn.value_and_grad(model, loss_of)
    state = [model.state, optimizer.state]

    def step(x: mx.array, y: mx.array) -> mx.array:
        ran["values" if x is given else "placeholders"] += 1
        loss, gradient = loss_and_gradient(model, x, y)
        optimizer.update(model, gradient)
        return loss

    compiled: Callable[..., mx.array] = partial(mx.compile, inputs=state, outputs=state)(step)
    advance = compiled if mode == "compile" else step
    output: mx.array | None = None

    def call() -> mx.array:
        nonlocal output
        output = advance(x, y)
        mx.eval(output, state)
        return output

    def reset() -> None:
        model.update(
            {"weight": mx.array(workload.parameters["weight"].T), "bias": mx.array(workload.parameters["bias"])}
        )
        _fill(optimizer.state, first)  # the compiled function holds this dictionary
        mx.eval(state)

    reset()

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: _on_host({"weight": model.weight.T, "bias": model.bias}),
        gradient=lambda: _transposed(loss_and_gradient(model, x, y)[1]),
        proof=lambda: _proof(ran, mode, model.weight, output),
    )


def _proof(ran: Mapping[str, int], mode: str, weight: mx.array, output: mx.array | None) -> ModeProof:
    """Return how the step's Python ran, and what MLX says of its arrays and kernels."""
    traces = ran["placeholders"] if mode == "compile" else None
    kernels = len(list(scratch().glob("mlx/**/*.so")))
    device = mx.default_device()
    return ModeProof(
        mode="compile" if ran["placeholders"] and not ran["values"] else "eager",
        device=str(device.type).rpartition(".")[2],
        threads=None,
        precision=_name(weight),
        compilations=traces,
        graph_breaks=None if traces is None else 0,  # mx.compile takes a function whole or raises
        output_precision="" if output is None else _name(output),
        traces=traces,
        graphs=None if traces is None else min(traces, 1),
        evidence=f"the step's Python ran {ran['values']} times on the given arrays and {ran['placeholders']} times on"
        f" placeholders; {kernels} libraries of kernels were compiled; the default device is {device}; the dtypes are"
        " the weight's and the loss's",
    )


def _name(array: mx.array) -> str:
    return str(array.dtype).rpartition(".")[2]


def _optimizer_of(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return optim.SGD(learning_rate=optimizer.learning_rate)
    betas = [optimizer.beta1, optimizer.beta2]
    return optim.Adam(learning_rate=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon, bias_correction=True)


def _fill(tree: dict[str, Any], values: Mapping[str, Any], path: str = "") -> None:
    """Write `values`, whose names are paths, into the leaves of `tree`, which stays the same dictionary."""
    for name, value in tree.items():
        if isinstance(value, dict):
            _fill(value, values, f"{path}{name}.")
        else:
            tree[name] = mx.array(values[f"{path}{name}"])


def _on_host(arrays: Mapping[str, mx.array]) -> Mapping[str, Array32]:
    return {name: np.array(array) for name, array in arrays.items()}


def _transposed(tree: Mapping[str, mx.array]) -> Mapping[str, Array32]:
    return _on_host({"weight": tree["weight"].T, "bias": tree["bias"]})


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output is computed; each step has waited for its own."""
    mx.eval(*outputs)


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray([output.item() for output in outputs], dtype=np.float64)


def memory() -> Allocator:
    """Return what MLX counts of its own arrays and of its cache of freed ones."""
    active = mx.get_active_memory()
    return Allocator(
        allocated_bytes=active,
        allocated_peak_bytes=mx.get_peak_memory(),
        reserved_bytes=active + mx.get_cache_memory(),
        why="MLX counts bytes and no allocations",
    )


def empty_cache() -> bool:
    """Give the freed arrays back that MLX keeps."""
    mx.clear_cache()
    return True


def versions() -> Sequence[str]:
    """MLX, and NumPy for the inputs."""
    return (f"mlx=={mx.__version__}", f"numpy=={np.__version__}")
