"""JAX: `jax2onnx`, which traces the function and writes its jaxpr; Keras exports through it on the JAX backend, too."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import jax

from bench.exports.onnx._finish import finished
from bench.exports.onnx._jax2onnx import converted
from bench.frameworks._jax import models
from bench.reference.workload import Array32, Workload

Arrays = Mapping[str, jax.Array]


FORWARD: Final[dict[str, Callable[[Arrays, jax.Array], jax.Array]]] = {
    name: each.predict for name, each in models.FORWARD.items()
}


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an ONNX file.

    Raises:
        ExportError: a primitive that jax2onnx or ONNX does not have.
    """
    model = partial(FORWARD[workload.name], jax.device_put(dict(parameters)))
    return finished(converted(model, workload, "JAX"), "JAX")
