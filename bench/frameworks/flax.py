"""Flax NNX with Optax: modules and optimisers are Python objects, written to in place, without jit and with it.

`nnx.jit` walks through the model and the optimiser before and after each call, in Python; `nnx.cached_partial` walks
through them once. Optax's Adam is Kingma and Ba's. The arrays are strong float32: a weakly typed one would be traced
a second time. The caches on disk are JAX's, see there.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from bench.framework import Output, Skip, Step
from bench.frameworks import jax as backend
from bench.record import ModeProof
from bench.workload import KINGMA_BA, Adam, Sgd, Workload

MODES = {
    "eager": "nnx.value_and_grad and the optimiser's update without jit, each operation dispatched by itself",
    "jit": "gradient and update under nnx.jit, which is handed the model and the optimiser in each call",
    "cached-partial": "the same nnx.jit under nnx.cached_partial, which holds the model and the optimiser",
}
BASELINE = "eager"
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA


def _regression(model: nnx.Linear, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(model(x) - y))


FORWARD = {"regression": _regression}
MODEL = {"regression": lambda: nnx.Linear(1, 1, rngs=nnx.Rngs(0))}
NAMES = {"weight": "kernel", "bias": "bias"}  # the workload's, and Flax's


class _Held:
    """The variables that a step writes to, where `wait` finds them, and its last loss."""

    variables: Sequence[Any] = ()
    loss: jax.Array | None = None


_held = _Held()


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step eager, jitted, or jitted with its objects held."""
    if precision != "float32":
        return Skip(f"Flax is measured in float32 only, not {precision}")
    body, held = backend.Body(), _held
    loss_and_gradient = nnx.value_and_grad(FORWARD[workload.name])
    model = MODEL[workload.name]()
    parameters = {name: getattr(model, attribute) for name, attribute in NAMES.items()}
    for name, array in workload.parameters.items():
        parameters[name].set_value(jnp.asarray(array, dtype=jnp.float32))
    optimizer = nnx.Optimizer(model, _transformation(workload.optimizer), wrt=nnx.Param)
    held.variables = jax.tree.leaves(nnx.state((model, optimizer)), is_leaf=_is_variable)
    initial = [variable.get_value() for variable in held.variables]
    x, y = (jax.device_put(workload.inputs[name]) for name in ("x", "y"))

    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        loss, gradient = loss_and_gradient(model, x, y)
        body.ran(loss)
        optimizer.update(model, gradient)
        return loss

    jitted = nnx.jit(step)
    if mode == "cached-partial":
        advance = nnx.cached_partial(jitted, model, optimizer)
    else:
        advance = partial(step if mode == "eager" else jitted, model, optimizer)

    def call() -> jax.Array:
        held.loss = advance(x, y)
        return held.loss

    def reset() -> None:
        for variable, value in zip(held.variables, initial, strict=True):
            variable.set_value(value)

    def proof() -> ModeProof:
        entries = None if mode == "eager" else jitted.jitted_fn._cache_size()
        taken = mode if body.compiled else "eager"
        return backend.found(taken, body, parameters["weight"].get_value(), held.loss, entries)

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: {name: np.array(p.get_value()) for name, p in parameters.items()},
        proof=proof,
    )


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Variable)


def _transformation(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return optax.sgd(optimizer.learning_rate)
    return optax.adam(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and every variable is computed."""
    jax.block_until_ready((outputs, [variable.get_value() for variable in _held.variables]))


start, to_numpy, memory = backend.start, backend.to_numpy, backend.memory


def versions() -> Sequence[str]:
    """Flax and Optax, and the JAX they compute with."""
    return (f"flax=={flax.__version__}", f"optax=={optax.__version__}", *backend.versions())
