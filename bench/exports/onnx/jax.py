"""JAX: `jax2onnx`, which traces the function and writes its jaxpr; Keras exports through it on the JAX backend, too."""

import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import jax
from jax2onnx import to_onnx

from bench.exports.onnx import INPUT, OPSET, OUTPUT, ExportError
from bench.exports.onnx._finish import finished
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
    # it warns of each plug-in of a library that is not installed
    logging.getLogger("jax2onnx").setLevel(logging.ERROR)
    x = workload.batch.x
    model = partial(FORWARD[workload.name], jax.device_put(dict(parameters)))
    try:
        written = to_onnx(
            model,
            [jax.ShapeDtypeStruct(x.shape, x.dtype)],
            opset=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
        )
    except NotImplementedError as error:
        named = re.search(r"primitive '([^']+)'", str(error))
        raise ExportError("JAX", named[1] if named else "", str(error)) from error
    return finished(written, "JAX")
