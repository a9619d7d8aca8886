"""PyTensor: Theano's heir. A graph of symbols, rewritten and compiled by `pytensor.function`, then called with arrays.

It is compiled in the first step. Adam is written out as updates of shared variables, in the second form of Kingma and
Ba's paper, as Lasagne and the recipes of Theano's time had it; PyTensor itself has no optimisers. Sums are made in
float64. Products are NumPy's unless a BLAS for C is installed, which pip's packages do not bring.
"""

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from bench.frameworks.numpy import empty_cache as empty_cache
from bench.frameworks.numpy import start as start
from bench.frameworks.numpy import to_numpy as to_numpy
from bench.frameworks.numpy import wait as wait
from bench.interface import Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import EPSILON_HAT, Adam, Array32, Sgd, Workload

MODES = {
    "python": "the rewritten graph gone through by Python, an operation of NumPy each (linker py)",
    "cvm": "a kernel in C for each operation, compiled by g++, and a virtual machine in C that calls them",
    "numba": "the whole graph as one function that Numba compiles: the default",
}
BASELINE = "python"
ERA = 2022
PERIOD = "today"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"g++": "g++"}
PROGRAM_MODES = ("cvm",)
ENVIRONMENT = {
    "PYTENSOR_FLAGS": "floatX=float32,base_compiledir={scratch}/pytensor",
    "NUMBA_NUM_THREADS": "{threads}",
    "OPENBLAS_NUM_THREADS": "{threads}",
    "OMP_NUM_THREADS": "{threads}",
}
ADAM = EPSILON_HAT
LINKED: Final = {
    ("PerformLinker", "function"): "python",
    ("VMLinker", "CVM"): "cvm",
    ("NumbaLinker", "function"): "numba",
}

Shared = Mapping[str, Any]  # shared variables by the workload's names


def _regression(parameters: Shared, x: Any, y: Any) -> Any:
    return pt.mean((x @ parameters["weight"] + parameters["bias"] - y) ** 2)


FORWARD = {"regression": _regression, "regression_wide": _regression}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the function of x and y that returns the loss and makes the update; its first call compiles it."""
    if precision != FLOAT32:
        return Skip(f"PyTensor is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("PyTensor is measured where it trains")
    linker: Any = {"python": Mode(linker="py", optimizer="fast_compile"), "cvm": "CVM", "numba": "NUMBA"}[mode]
    x, y = workload.batch
    inputs = [pt.fmatrix("x"), pt.fmatrix("y")]
    shared = {name: pytensor.shared(array.copy(), name=name) for name, array in workload.parameters.items()}
    cost = FORWARD[workload.name](shared, *inputs)
    slopes = dict(zip(shared, pytensor.grad(cost, list(shared.values())), strict=True))
    optimizer = workload.optimizer
    updates = _sgd(optimizer, shared, slopes) if isinstance(optimizer, Sgd) else _adam(optimizer, shared, slopes)
    begin = {variable: variable.get_value() for variable in updates}
    compiled: list[Callable[[Array32, Array32], Array32]] = []

    def step() -> Array32:
        if not compiled:
            compiled.append(pytensor.function(inputs, cost, updates=updates, mode=linker))
        return compiled[0](x, y)

    def reset() -> None:
        for variable, value in begin.items():
            variable.set_value(value)

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: {name: np.array(variable.get_value()) for name, variable in shared.items()},
        gradient=lambda: dict(zip(slopes, pytensor.function(inputs, list(slopes.values()))(x, y), strict=True)),
        proof=lambda: _proof(compiled, shared["weight"]),
    )


def _sgd(sgd: Sgd, shared: Shared, slopes: Shared) -> dict[Any, Any]:
    rate = np.float32(sgd.learning_rate)
    return {variable: variable - rate * slopes[name] for name, variable in shared.items()}


def _adam(adam: Adam, shared: Shared, slopes: Shared) -> dict[Any, Any]:
    """Return the updates of parameters, moments and step count, all float32."""
    one, beta1, beta2 = np.float32(1), np.float32(adam.beta1), np.float32(adam.beta2)
    count = pytensor.shared(np.float32(0), name="count")
    t = count + one
    size = np.float32(adam.learning_rate) * pt.sqrt(one - beta2**t) / (one - beta1**t)
    updates = {count: t}
    for name, variable in shared.items():
        m, v = (pytensor.shared(np.zeros_like(variable.get_value())) for _ in range(2))
        updates[m] = beta1 * m + (one - beta1) * slopes[name]
        updates[v] = beta2 * v + (one - beta2) * slopes[name] ** 2
        updates[variable] = variable - size * updates[m] / (pt.sqrt(updates[v]) + np.float32(adam.epsilon))
    return updates


def _proof(compiled: Sequence[Any], weight: Any) -> ModeProof:
    """Return what the compiled function says: its linker, what runs its operations, and how many there are."""
    linked, nodes, dtypes = ("", ""), [], set[str]()
    for function in compiled:
        linked = (type(function.maker.linker).__name__, type(function.vm).__name__)
        nodes = function.maker.fgraph.toposort()
        dtypes = {output.type.dtype for node in nodes for output in node.outputs if hasattr(output.type, "dtype")}
    return ModeProof(
        mode=LINKED.get(linked, " ".join(linked)),
        device="cpu",
        threads=None,
        precision=str(weight.get_value(borrow=True).dtype),
        compilations=len(compiled),
        traces=len(compiled),
        graphs=len(compiled),
        graph_breaks=0,  # pytensor.function compiles a graph whole or raises
        evidence=f"linker and runner are {' and '.join(linked)}; {len(nodes)} operations after the rewrites, of"
        f" {', '.join(sorted(dtypes))}; the compiler for C is {pytensor.config.cxx or 'none'}; the dtype is the"
        " weight's",
    )


def memory() -> Allocator:
    """No device, no statistics."""
    return Allocator(why="PyTensor computes in NumPy's arrays, which have no allocator of their own")


def versions() -> Sequence[str]:
    """PyTensor, the Numba that it compiles with, and NumPy."""
    return (
        *(f"{name}=={importlib.metadata.version(name)}" for name in ("pytensor", "numba")),
        f"numpy=={np.__version__}",
    )
