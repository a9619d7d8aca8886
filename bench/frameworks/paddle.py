"""PaddlePaddle: a dynamic graph as in PyTorch, or `paddle.jit.to_static` of the model, which becomes a program.

`to_static` makes one program of the forward pass and one of its backward, from the source of the function
(`full_graph=True`; by default it traces bytecode, and does not say what became of it). The loss and the optimiser run
dynamically. Paddle's own compiler CINN is not in the package.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle

from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Adam, Array32, Array64, Sgd, Workload

MODES = {
    "dynamic": "forward pass, backward and optimiser, each operation dispatched by itself",
    "to-static": "the model under paddle.jit.to_static, a program of its own; loss and optimiser dynamically",
}
BASELINE = "dynamic"
ERA = 2021
PERIOD = "today"
EXHIBIT = True
DEVICES = ("cpu",)
LIBRARIES = {"libgomp.so.1": "libgomp1"}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "{threads}",
    "MKL_NUM_THREADS": "{threads}",
    "FLAGS_paddle_num_threads": "{threads}",
}
ADAM = KINGMA_BA
FORWARD = {"regression": paddle.nn.Linear, "regression_wide": paddle.nn.Linear}
STATIC = "ASTStaticFunction"  # the class of what to_static makes with full_graph=True


def start(device: str, threads: int) -> None:
    """Choose the CPU and the threads of Paddle's operations."""
    if device != "cpu":
        raise RuntimeError("this build of Paddle computes on the CPU only")
    paddle.set_device("cpu")
    paddle.base.core.set_num_threads(threads)


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of one `paddle.nn.Linear`."""
    if precision != FLOAT32:
        return Skip(f"Paddle is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("Paddle is measured where it trains")
    x, y = (paddle.to_tensor(array) for array in workload.batch)
    model = FORWARD[workload.name](*workload.parameters["weight"].shape)
    trained: Any = paddle.jit.to_static(model, full_graph=True) if mode == "to-static" else model
    loss_fn = paddle.nn.MSELoss()
    optimizer: Any = None
    output: Any = None

    def call() -> Any:
        nonlocal output
        loss = loss_fn(trained(x), y)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        output = loss.detach()
        return output

    def reset() -> None:
        nonlocal optimizer
        for name, array in workload.parameters.items():
            getattr(model, name).set_value(array)
        optimizer = _optimizer_of(workload.optimizer, model.parameters())

    reset()

    def gradient() -> Mapping[str, Array32]:
        slopes = paddle.grad(loss_fn(trained(x), y), [model.weight, model.bias])
        return {name: slope.numpy() for name, slope in zip(("weight", "bias"), slopes, strict=True)}

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: {name: np.array(getattr(model, name).numpy()) for name in workload.parameters},
        gradient=gradient,
        proof=lambda: _proof(trained, model.weight, output),
    )


def _proof(trained: Any, weight: Any, output: Any) -> ModeProof:
    """Return what became of the model, and where its weight and the last loss are."""
    forward = type(trained.forward).__name__
    programs = len(trained.forward.program_cache) if forward == STATIC else None
    ran = "to-static" if programs else "dynamic"
    return ModeProof(
        mode=ran if paddle.in_dynamic_mode() else "static",
        device=_place(weight),
        threads=int(paddle.get_flags("FLAGS_paddle_num_threads")["FLAGS_paddle_num_threads"]),
        precision=_name(weight),
        compilations=programs,
        traces=programs,
        graphs=programs,
        graph_breaks=None if programs is None else 0,  # a whole function becomes a program, or it raises
        output_device="" if output is None else _place(output),
        output_precision="" if output is None else _name(output),
        evidence=f"the model's forward is a {forward} with {programs or 0} programs; in dynamic mode:"
        f" {paddle.in_dynamic_mode()}; built with CINN: {paddle.is_compiled_with_cinn()};"
        " device and dtype are the weight's",
    )


def _place(tensor: Any) -> str:
    return str(tensor.place).removeprefix("Place(").rstrip(")")


def _optimizer_of(optimizer: Adam | Sgd, parameters: Sequence[Any]) -> Any:
    rate = optimizer.learning_rate
    if isinstance(optimizer, Sgd):
        return paddle.optimizer.SGD(rate, parameters=parameters)
    return paddle.optimizer.Adam(rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon, parameters=parameters)


def _name(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("paddle.")


def wait(outputs: Sequence[Output]) -> None:
    """Paddle returns when it has computed; on the CPU nothing is queued."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray([float(output) for output in outputs], dtype=np.float64)


def memory() -> Allocator:
    """Return what Paddle counts of its allocator on the CPU."""
    core = paddle.base.core
    return Allocator(
        allocated_bytes=core.host_memory_stat_current_value("Allocated", 0),
        allocated_peak_bytes=core.host_memory_stat_peak_value("Allocated", 0),
        reserved_bytes=core.host_memory_stat_current_value("Reserved", 0),
        reserved_peak_bytes=core.host_memory_stat_peak_value("Reserved", 0),
        why="Paddle counts bytes and no allocations",
    )


def empty_cache() -> bool:
    """Paddle has such a call for its GPUs alone."""
    return False


def versions() -> Sequence[str]:
    """Paddle, and NumPy for the inputs."""
    return (f"paddlepaddle=={paddle.__version__}", f"numpy=={np.__version__}")
