"""The state of a Flax model: its variables by the workload's names.

The variables of the one step that a process runs are held in the module, so that `wait` can wait for them.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from bench.reference.workload import Array32, Workload

NAMES: Final = {"weight": "kernel", "bias": "bias", "gain": "scale", "shift": "bias"}  # the workload's, and Flax's


class Held:
    """The variables that a step writes to, where `wait` finds them, and its last output."""

    variables: Sequence[Any] = ()
    output: jax.Array | None = None

    def release(self) -> None:
        """Let go of every array."""
        self.variables, self.output = (), None


held = Held()


def initial_of(workload: Workload, model: Any, variables: Sequence[Any]) -> Sequence[NDArray[Any]]:
    """Return what each of `variables` holds before the first step, on the host: nothing of it stays on the device.

    Parameters are the workload's own arrays. What an optimiser begins with is zeros, which take no memory here.
    """
    given = {id(variable_of(model, name)): array for name, array in workload.parameters.items()}
    return [given[id(each)] if id(each) in given else _on_host(each.get_value()) for each in variables]


def _on_host(value: jax.Array) -> NDArray[Any]:
    array = np.array(value)
    return array if array.any() else np.broadcast_to(np.zeros((), array.dtype), array.shape)


def parameters_of(workload: Workload, model: Any) -> Mapping[str, Array32]:
    """Return copies of the model's parameters by the workload's names."""
    return {name: np.array(variable_of(model, name).get_value()) for name in workload.parameters}


def variable_of(model: Any, name: str) -> Any:
    """Return the variable that the workload calls "layer1.weight"."""
    *modules, last = name.split(".")
    return functools.reduce(getattr, (*modules, NAMES[last]), model)


def variables_of(node: Any) -> Sequence[Any]:
    """Return all variables of a model, or of the pair of a model and its optimiser."""
    variables: Sequence[Any] = jax.tree.leaves(nnx.state(node), is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    return variables
