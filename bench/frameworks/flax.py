"""Flax NNX with Optax: modules and optimisers are Python objects, written to in place, without jit and with it.

`nnx.jit` walks through the model and the optimiser before and after each call, in Python; `nnx.cached_partial` walks
through them once. Optax's Adam is Kingma and Ba's. The arrays are strong float32: a weakly typed one would be traced
a second time. In bfloat16 every layer has dtype=bfloat16 and param_dtype=float32, Flax's own way: layers cast their
parameters and inputs, layer norms take their statistics in float32. In float32 are also the softmax of the attention,
the loss and the addition of a bias, for the reason that `_jax/models.py` gives; Flax has a hook for it.
The caches on disk are those of JAX, see `jax.py`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from bench.frameworks._flax_models import FORWARD
from bench.frameworks._flax_state import (
    held,
    initial_of,
    parameters_of,
    variable_of,
    variables_of,
)
from bench.frameworks._jax import device
from bench.frameworks._jax.precision import COMPUTE, cast, choose, lacks, products
from bench.frameworks._jax.probes import jax_probes
from bench.frameworks._jax.proof import Body, proof_of
from bench.frameworks._optax import transformation_of
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Array32, Workload

MODES = {
    "eager": "nnx.value_and_grad and the optimiser's update without jit, each operation dispatched by itself",
    "jit": "gradient and update under nnx.jit, which is handed the model and the optimiser in each call",
    "cached-partial": "the same nnx.jit under nnx.cached_partial, which holds the model and the optimiser",
}
BASELINE = "eager"
ERA = 2024
PERIOD = "today"
LADDER = ("eager", "jit")
LIMITS = "jax"
FORMS = {"transformer": "jax.nn.dot_product_attention"}
ALLOCATORS = "jax"
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA

Predict = Callable[[Any, jax.Array], jax.Array]  # (model, x) -> predictions


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step or the forward pass: eager, jitted, or jitted with its objects held."""
    if reason := lacks(precision):
        return Skip(reason)
    choose(precision)
    dtype = COMPUTE[precision]
    model = FORWARD[workload.name].model(workload, dtype, nnx.Rngs(0))
    for name, array in workload.parameters.items():
        variable_of(model, name).set_value(jnp.asarray(array, dtype=jnp.float32))

    def predict(model: Any, x: jax.Array) -> jax.Array:
        predictions: jax.Array = model(cast(x, dtype))
        return predictions

    return (_training if workload.trains else _predicting)(workload, mode, model, predict)


def _training(workload: Workload, mode: str, model: Any, predict: Predict) -> Step:
    """Return the training step of `model` in `mode`."""
    body = Body()
    criterion = FORWARD[workload.name].criterion
    optimizer = nnx.Optimizer(model, transformation_of(workload.optimizer), wrt=nnx.Param)
    held.variables = variables_of((model, optimizer))
    initial = initial_of(workload, model, held.variables)
    x, y = (jax.device_put(array) for array in workload.batch)

    def loss_of(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return criterion(predict(model, x), y)

    loss_and_gradient = nnx.value_and_grad(loss_of)

    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        loss, gradient = loss_and_gradient(model, x, y)
        body.ran(loss)
        optimizer.update(model, gradient)
        return loss

    jitted = nnx.jit(step)
    advance = _bound(mode, step, jitted, model, optimizer)

    def call() -> jax.Array:
        held.output = advance(x, y)
        return held.output

    def reset() -> None:
        wait([] if held.output is None else [held.output])
        for variable, value in zip(held.variables, initial, strict=True):
            variable.set_value(jax.device_put(value))  # one after the other: never two whole states

    def gradient() -> Mapping[str, Array32]:
        slopes = nnx.jit(nnx.grad(loss_of))(model, x, y)
        return {name: np.array(variable_of(slopes, name).get_value()) for name in workload.parameters}

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: parameters_of(workload, model),
        gradient=gradient,
        proof=_proof(mode, body, jitted, model, predict, x),
        release=held.release,
    )


def _predicting(workload: Workload, mode: str, model: Any, predict: Predict) -> Step:
    """Return the forward pass of `model`, its variables an argument of the program."""
    body = Body()
    held.variables = variables_of(model)
    x = jax.device_put(workload.batch.x)

    def forward(model: Any, x: jax.Array) -> jax.Array:
        predictions = predict(model, x)
        body.ran(predictions)
        return predictions

    jitted = nnx.jit(forward)
    advance = _bound(mode, forward, jitted, model)

    def call() -> jax.Array:
        held.output = advance(x)
        return held.output

    return Step(
        call=call,
        reset=lambda: None,
        parameters=lambda: parameters_of(workload, model),
        proof=_proof(mode, body, jitted, model, predict, x),
        inference=True,
        release=held.release,
    )


def _bound(mode: str, step: Callable[..., jax.Array], jitted: Any, *objects: Any) -> Callable[..., jax.Array]:
    """Return the mode's step with its objects: handed over in each call, or held."""
    if mode == "cached-partial":
        bound: Callable[..., jax.Array] = nnx.cached_partial(jitted, *objects)
        return bound
    return partial(step if mode == "eager" else jitted, *objects)


def _proof(mode: str, body: Body, jitted: Any, model: Any, predict: Predict, x: jax.Array) -> Callable[[], ModeProof]:
    """Return the function that says how the step ran; the dtypes of the model's products are read once."""
    graph, values = nnx.split(model)
    # shapes and dtypes alone: the arrays of the start would stay on the device as long as the step
    state = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), values)
    compute = functools.cache(lambda: products(lambda state, x: predict(nnx.merge(graph, state), x), state, x))

    def proof() -> ModeProof:
        entries = None if mode == "eager" else jitted.jitted_fn._cache_size()
        ran = mode if body.compiled else "eager"
        parameter = held.variables[0].get_value()
        return proof_of(ran, body, parameter, held.output, entries, compute=compute())

    return proof


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and every variable is computed."""
    jax.block_until_ready((outputs, [variable.get_value() for variable in held.variables]))


start, to_numpy, memory = device.start, device.to_numpy, device.memory
empty_cache = device.empty_cache
probes = jax_probes


def versions() -> Sequence[str]:
    """Flax and Optax, and the JAX they compute with."""
    return (f"flax=={flax.__version__}", f"optax=={optax.__version__}", *device.versions())
