"""Autograd: NumPy's own functions, recorded on a tape while they run, and differentiated backwards from it.

The update is NumPy's, in `numpy.py`: so the two frameworks differ by the gradient alone. Autograd's own `adam` owns its
loop and begins with new moments in each call; its formula is the same.
"""

import importlib.metadata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.extend import vspace
from autograd.tracer import isbox

from bench.frameworks.numpy import Arrays, update_of
from bench.frameworks.numpy import empty_cache as empty_cache
from bench.frameworks.numpy import start as start
from bench.frameworks.numpy import to_numpy as to_numpy
from bench.frameworks.numpy import wait as wait
from bench.interface import Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Array32, Workload

MODES = {"eager": "a tape of NumPy's operations in each step, gone through backwards"}
BASELINE = "eager"
ERA = 2014
PERIOD = "today"
EXHIBIT = True
DEVICES = ("cpu",)
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "{threads}", "OMP_NUM_THREADS": "{threads}"}
ADAM = KINGMA_BA


def _regression(parameters: Arrays, x: Array32, y: Array32) -> Any:
    return anp.mean(anp.square(anp.dot(x, parameters["weight"]) + parameters["bias"] - y))


FORWARD = {"regression": _regression, "regression_wide": _regression}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the regression's step: `value_and_grad` of a dictionary of arrays, and NumPy's update."""
    if precision != FLOAT32:
        return Skip(f"Autograd is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("Autograd's forward pass is NumPy's own: it adds the gradient alone")
    forward = FORWARD[workload.name]
    x, y = workload.batch
    p = {name: array.copy() for name, array in workload.parameters.items()}
    update = update_of(workload.optimizer, p)
    seen = Counter[str]()  # kinds of what the forward pass was handed

    def loss(parameters: Arrays) -> Any:
        seen["boxes" if all(isbox(array) for array in _values(parameters)) else "arrays"] += 1
        return forward(parameters, x, y)

    loss_and_gradient = autograd.value_and_grad(loss)

    def step() -> Array32:
        value, gradient = loss_and_gradient(p)
        update.apply(gradient)
        return np.asarray(value)

    def reset() -> None:
        for name, array in workload.parameters.items():
            p[name][...] = array
        update.reset()

    def proof() -> ModeProof:
        return ModeProof(
            mode="eager" if seen["boxes"] and not seen["arrays"] else "no tape",
            device="cpu",
            threads=None,
            precision=str(p["weight"].dtype),
            compilations=None,
            evidence=f"the forward pass ran {seen['boxes']} times on the tape's boxes and {seen['arrays']} times on"
            f" plain arrays; the parameters' space is {vspace(p['weight'])!r}; the dtype is theirs",
        )

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: {name: array.copy() for name, array in p.items()},
        gradient=lambda: {name: np.array(g) for name, g in autograd.grad(loss)(p).items()},
        proof=proof,
    )


def _values(parameters: Mapping[str, Any]) -> Sequence[Any]:
    return [parameters[name] for name in ("weight", "bias")]


def memory() -> Allocator:
    """No device, no statistics."""
    return Allocator(why="Autograd computes in NumPy's arrays, which have no allocator of their own")


def versions() -> Sequence[str]:
    """Autograd, and NumPy."""
    return (f"autograd=={importlib.metadata.version('autograd')}", f"numpy=={np.__version__}")
