"""The state of a Flax model: its parameters in the workload's order, its optimizer."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from bench.interface import Output
from bench.reference.workload import Adam, Array32, Sgd, Workload

NAMES = {"weight": "kernel", "bias": "bias", "gain": "scale", "shift": "bias"}  # the workload's, and Flax's


class _Held:
    """The variables that a step writes to, where `wait` finds them, and its last output."""

    variables: Sequence[Any] = ()
    output: jax.Array | None = None

    def release(self) -> None:
        """Let go of every array."""
        self.variables, self.output = (), None


_held = _Held()


def _parameters(workload: Workload, model: Any) -> Mapping[str, Array32]:
    return {name: np.array(_variable(model, name).get_value()) for name in workload.parameters}


def _variable(model: Any, name: str) -> Any:
    """Return the variable that the workload calls "layer1.weight"."""
    *modules, last = name.split(".")
    return functools.reduce(getattr, (*modules, NAMES[last]), model)


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Variable)


def _transformation(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return optax.sgd(optimizer.learning_rate)
    return optax.adam(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and every variable is computed."""
    jax.block_until_ready((outputs, [variable.get_value() for variable in _held.variables]))
