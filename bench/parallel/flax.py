"""Flax NNX with Optax: the jitted step over a mesh of devices, its variables on each, the batch split by rows.

As in Flax's guides the variables and the batch are placed by NamedSharding, and XLA's partitioner adds the exchange.
The step is that of the mode `jit`. Devices and threads are those of JAX, see `jax.py` beside this file.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from bench.frameworks import flax as one
from bench.frameworks._flax_models import FORWARD
from bench.frameworks._flax_state import held, initial_of, parameters_of, variable_of, variables_of
from bench.frameworks._jax.precision import COMPUTE, cast, choose, lacks, products
from bench.frameworks._jax.proof import Body, proof_of
from bench.frameworks._optax import transformation_of
from bench.interface import Skip
from bench.parallel import ParallelStep, World, _xla
from bench.records.record import ModeProof
from bench.reference.workload import Array32, Workload

STRATEGIES = {
    "sharded-jit": "nnx.jit of the plain step, the batch split over a mesh of devices; XLA adds the exchange",
}
COMPARED = {"sharded-jit": "jit"}

ADAM = one.ADAM
start, wait, to_numpy, memory = _xla.start, one.wait, one.to_numpy, one.memory
empty_cache, versions = one.empty_cache, one.versions


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return the training step over all ranks; `workload` is the global one."""
    if reason := _xla.lacking(precision):
        return Skip(reason)
    mesh = _xla.connect(world, processes=False)
    if reason := lacks(precision):
        return Skip(reason)
    choose(precision)
    dtype = COMPUTE[precision]
    model = FORWARD[workload.name].model(workload, dtype, nnx.Rngs(0))

    def predict(model: Any, x: jax.Array) -> jax.Array:
        predictions: jax.Array = model(cast(x, dtype))
        return predictions

    return _training(workload, mode, model, predict, world, mesh)


def _training(
    workload: Workload, mode: str, model: Any, predict: one.Predict, world: World, mesh: Mesh
) -> ParallelStep:
    body = Body()
    criterion = FORWARD[workload.name].criterion
    optimizer = nnx.Optimizer(model, transformation_of(workload.optimizer), wrt=nnx.Param)
    held.variables = variables_of((model, optimizer))
    initial = initial_of(workload, model, held.variables)
    x, y = (_xla.split(mesh, world, array) for array in workload.batch)

    def loss_of(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return criterion(predict(model, x), y)

    loss_and_gradient = nnx.value_and_grad(loss_of)

    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        loss, gradient = loss_and_gradient(model, x, y)
        body.ran(loss)
        optimizer.update(model, gradient)
        return loss

    jitted = nnx.jit(step)
    slope = nnx.jit(nnx.grad(loss_of))

    def call() -> jax.Array:
        held.output = jitted(model, optimizer, x, y)
        return held.output

    def restart() -> None:
        wait([] if held.output is None else [held.output])
        for variable, value in zip(held.variables, initial, strict=True):
            variable.set_value(_xla.replicate(mesh, value))  # one after the other: never two whole states

    def gradient() -> Mapping[str, Array32]:
        slopes = slope(model, x, y)
        return {name: np.array(variable_of(slopes, name).get_value()) for name in workload.parameters}

    def trained() -> Mapping[str, jax.Array]:
        return {name: variable_of(model, name).get_value() for name in workload.parameters}

    restart()
    return ParallelStep(
        call=call,
        reset=restart,
        parameters=lambda: parameters_of(workload, model),
        gradient=gradient,
        proof=_proof(mode, body, jitted, model, predict, x, mesh),
        release=held.release,
        collectives=functools.cache(
            lambda: _xla.collectives(jitted.lower(model, optimizer, x, y).compile().as_text(), mesh)
        ),
        copies=lambda: _xla.copies(trained()),
        devices=lambda: _xla.devices(mesh),
        unsynchronised_why=_xla.PARTITIONED,
    )


def _proof(
    mode: str, body: Body, jitted: Any, model: Any, predict: one.Predict, x: jax.Array, mesh: Mesh
) -> Callable[[], ModeProof]:
    """Return the function that says how the step ran; the dtypes of the model's products are read once."""
    graph, values = nnx.split(model)
    state = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), values)
    compute = functools.cache(lambda: products(lambda state, x: predict(nnx.merge(graph, state), x), state, x))

    def proof() -> ModeProof:
        parameter = held.variables[0].get_value()
        ran = mode if body.compiled and _xla.spread_over(parameter, mesh) else "jit" if body.compiled else "eager"
        return proof_of(
            ran, body, parameter, held.output, jitted.jitted_fn._cache_size(), _xla.spread(mesh), compute=compute()
        )

    return proof
