"""JAX: it has no loader of its own. NumPy's pipelines and Grain's, each batch handed to the jitted step.

A NumPy array that a jitted function is given travels to the device as it is: uint8, cast inside the step.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bench.data.dataset import Dataset
from bench.frameworks._jax.held import held, initial
from bench.frameworks._jax.models import FORWARD
from bench.frameworks._jax.optimizers import State, adam
from bench.interface import Skip
from bench.reference.workload import Adam, Workload
from bench.streams import CENTRE, Pipeline, Trainer, numpy

PIPELINES = {
    "memory": "slices of NumPy arrays in memory, augmented a batch at a time by NumPy",
    "memmap": "slices of memory-mapped files, augmented a batch at a time by NumPy",
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
    """Return the jitted step; `held` has its state, which `wait` waits for."""
    assert isinstance(workload.optimizer, Adam)
    update = partial(adam, workload.optimizer)
    loss_and_gradient = jax.value_and_grad(FORWARD[workload.name].loss)
    shape = workload.batch.x.shape[1:]

    @jax.jit  # type: ignore[untyped-decorator]
    def advance(state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
        scaled = ((x.astype(jnp.float32) - CENTRE) / CENTRE).reshape(-1, *shape)
        loss, gradient = loss_and_gradient(state.parameters, scaled, y)
        return update(state, gradient), loss

    held.state = initial(workload)

    def step(x: NDArray[np.generic], y: NDArray[np.generic]) -> jax.Array:
        held.state, held.output = advance(held.state, x, y)
        return held.output

    return Trainer(step=step, parameters=held.parameters)
