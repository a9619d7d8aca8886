"""Optax on JAX, and a training step of a model that is a tree of arrays: what Equinox and Haiku share.

The newest state of the one step that a process runs is held in the module, so that `wait` can wait for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from bench.frameworks._jax import device
from bench.frameworks._jax.precision import products
from bench.frameworks._jax.proof import Body, proof_of
from bench.interface import Output, Step
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Array32, Sgd, Workload

Parameters = Mapping[str, jax.Array]  # by the workload's names and in its shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What a library of models on JAX does in its own way; a model is a tree of arrays."""

    fresh: Callable[[], Any]  # the model at the workload's initial parameters
    predict: Callable[[Any, jax.Array], jax.Array]  # (model, x) -> predictions
    value_and_grad: Callable[[Callable[..., jax.Array]], Callable[..., tuple[jax.Array, Any]]]
    begin: Callable[[Any, Any], Any]  # (Optax's optimiser, model) -> its first state
    jit: Callable[[Callable[..., Any]], Any]
    entries: Callable[[Any], int]  # of what `jit` returned: the programs that it keeps
    apply: Callable[[Any, Any], Any]  # (model, updates) -> model
    parameters: Callable[[Any], Parameters]  # of a model, or of a gradient


class Held:
    """The model, Optax's state and the last loss."""

    model: Any = None
    state: Any = None
    output: jax.Array | None = None

    def release(self) -> None:
        """Let go of every array, once nothing computes with it any more."""
        jax.block_until_ready((self.model, self.state, self.output))
        self.model, self.state, self.output = None, None, None


held = Held()


def transformation_of(optimizer: Adam | Sgd) -> Any:
    """Return Optax's optimiser with the workload's constants."""
    if isinstance(optimizer, Sgd):
        return optax.sgd(optimizer.learning_rate)
    return optax.adam(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def training(workload: Workload, mode: str, library: Library) -> Step:
    """Return the training step of the mean squared error in `mode`: "op-by-op", or the library's jit."""
    body = Body()
    optimizer = transformation_of(workload.optimizer)
    x, y = (jax.device_put(array) for array in workload.batch)

    def loss_of(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean(jnp.square(library.predict(model, x) - y))

    loss_and_gradient = library.value_and_grad(loss_of)

    def step(model: Any, state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, Any, jax.Array]:
        loss, gradient = loss_and_gradient(model, x, y)
        body.ran(loss)
        updates, state = optimizer.update(gradient, state, model)
        return library.apply(model, updates), state, loss

    jitted = library.jit(step)
    advance = step if mode == "op-by-op" else jitted

    def call() -> jax.Array:
        held.model, held.state, held.output = advance(held.model, held.state, x, y)
        assert held.output is not None
        return held.output

    def reset() -> None:
        held.release()
        held.model = library.fresh()
        held.state = library.begin(optimizer, held.model)

    reset()
    compute = cache(lambda: products(library.predict, library.fresh(), x))

    def proof() -> ModeProof:
        entries = None if mode == "op-by-op" else library.entries(jitted)
        ran = mode if body.compiled else "op-by-op"
        return proof_of(ran, body, weight_of(held.model), held.output, entries, compute=compute())

    def weight_of(model: Any) -> jax.Array:
        return library.parameters(model)["weight"]

    def on_host(tree: Any) -> Mapping[str, Array32]:
        return {name: np.array(array) for name, array in library.parameters(tree).items()}

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: on_host(held.model),
        gradient=lambda: on_host(loss_and_gradient(held.model, x, y)[1]),
        proof=proof,
        release=held.release,
    )


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and the newest state are computed."""
    jax.block_until_ready((outputs, held.model, held.state))


def versions() -> Sequence[str]:
    """Return those of Optax and of JAX."""
    return (f"optax=={optax.__version__}", *device.versions())
