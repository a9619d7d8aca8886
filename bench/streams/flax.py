"""Flax: it has no loader of its own. NumPy's pipelines and Grain's, each batch handed to a step under `nnx.jit`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from bench.data.dataset import Dataset
from bench.frameworks._flax_models import FORWARD
from bench.frameworks._flax_state import held, parameters_of, variable_of, variables_of
from bench.frameworks._optax import transformation_of
from bench.interface import Skip
from bench.reference.workload import Workload
from bench.streams import CENTRE, Pipeline, Trainer, numpy

PIPELINES = {
    "memory": "slices of NumPy arrays in memory, augmented a batch at a time by NumPy",
    "records-0": "records read and decoded by NumPy and zlib in the loop itself",
    "records-thread": "the same in a thread, two batches ahead",
    "memory-grain": "a Grain MapDataset over arrays in memory, sample by sample, then its batch, no threads",
    "records-grain-0": "a Grain MapDataset over records, sample by sample, then its batch, no threads",
    "records-grain-1-thread": "the same with one reading thread, two batches ahead",
}


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return Grain's pipeline, or NumPy's of the same name."""
    if "grain" in mode:
        from bench.streams import _grain  # only now: NumPy's pipelines take no memory for it

        return _grain.pipeline(data, mode, batch, seed)
    return numpy.pipeline(data, mode, batch, seed)


def trainer(workload: Workload) -> Trainer | Skip:
    """Return the step of model and optimiser under nnx.jit; `held` has its variables, which `wait` waits for."""
    model = FORWARD[workload.name].model(workload, jnp.float32, nnx.Rngs(0))
    for name, array in workload.parameters.items():
        variable_of(model, name).set_value(jnp.asarray(array, dtype=jnp.float32))
    criterion = FORWARD[workload.name].criterion
    optimizer = nnx.Optimizer(model, transformation_of(workload.optimizer), wrt=nnx.Param)
    held.variables = variables_of((model, optimizer))
    shape = workload.batch.x.shape[1:]

    @nnx.jit  # type: ignore[untyped-decorator]
    def advance(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        scaled = ((x.astype(jnp.float32) - CENTRE) / CENTRE).reshape(-1, *shape)
        loss, gradient = nnx.value_and_grad(lambda model: criterion(model(scaled), y))(model)
        optimizer.update(model, gradient)
        return loss

    def step(x: NDArray[np.generic], y: NDArray[np.generic]) -> jax.Array:
        output: jax.Array = advance(model, optimizer, x, y)
        held.output = output
        return output

    return Trainer(step=step, parameters=partial(parameters_of, workload, model))
