"""What the exporters of Flax share: the model with its trained parameters."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import nnx

from bench.frameworks._flax_models import FORWARD
from bench.frameworks._flax_state import variable_of
from bench.reference.workload import Array32, Workload


def loaded(workload: Workload, parameters: Mapping[str, Array32]) -> Any:
    """Return the workload's model in float32 with `parameters`."""
    model = FORWARD[workload.name].model(workload, jnp.float32, nnx.Rngs(0))
    for name, array in parameters.items():
        variable_of(model, name).set_value(jnp.asarray(array))
    return model
