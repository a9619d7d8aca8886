"""JAX: `jax.export` of the jitted forward pass, serialised: StableHLO in its portable, versioned form.

The parameters are closed over, so that they are constants of the program.
"""

import re
from collections.abc import Mapping

import jax
from jax import export as jax_export

from bench.exports import ExportError
from bench.frameworks._jax.models import FORWARD
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a serialised function.

    Raises:
        ExportError: a primitive that has no StableHLO.
    """
    x = workload.batch.x
    constants = jax.device_put(dict(parameters))
    predict = FORWARD[workload.name].predict

    def from_jax(x: jax.Array) -> jax.Array:
        return predict(constants, x)

    try:
        exported = jax_export.export(jax.jit(from_jax))(jax.ShapeDtypeStruct(x.shape, x.dtype))
        return bytes(exported.serialize())
    except NotImplementedError as error:
        named = re.search(r"primitive '([^']+)'", str(error))
        format_ = f"StableHLO (jax.export of JAX {jax.__version__})"
        raise ExportError("JAX", named[1] if named else "", format_, str(error)) from error
