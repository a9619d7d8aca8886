"""Flax: `jax.export` of the model's call, its variables closed over."""

from collections.abc import Mapping

import jax.numpy as jnp
from flax import nnx

from bench.exports.stablehlo._serialized import serialized
from bench.frameworks._flax_models import FORWARD
from bench.frameworks._flax_state import variable_of
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a serialised function.

    Raises:
        ExportError: a primitive that has no StableHLO.
    """
    model = FORWARD[workload.name].model(workload, jnp.float32, nnx.Rngs(0))
    for name, array in parameters.items():
        variable_of(model, name).set_value(jnp.asarray(array))
    return serialized(model, workload, "Flax", "from_flax")
