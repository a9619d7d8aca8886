"""JAX: `jax.export` of the jitted forward pass, serialised: StableHLO in its portable, versioned form.

The parameters are closed over, so that they are constants of the program.
"""

from collections.abc import Mapping

import jax

from bench.exports.stablehlo._serialized import serialized
from bench.frameworks._jax.models import FORWARD
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a serialised function.

    Raises:
        ExportError: a primitive that has no StableHLO.
    """
    constants = jax.device_put(dict(parameters))
    predict = FORWARD[workload.name].predict
    return serialized(lambda x: predict(constants, x), workload, "JAX", "from_jax")
