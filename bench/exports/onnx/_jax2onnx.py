"""The last step of both exports through jax2onnx, JAX's and Flax's: convert a function that closes over parameters."""

import logging
import re
from collections.abc import Callable

import jax
from jax2onnx import to_onnx
from onnx import ModelProto

from bench.exports.onnx import INPUT, OPSET, OUTPUT, ExportError
from bench.reference.workload import Workload


def converted(predict: Callable[[jax.Array], jax.Array], workload: Workload, framework: str) -> ModelProto:
    """Return `predict` for a batch of the workload's size as an ONNX model.

    Raises:
        ExportError: a primitive that jax2onnx or ONNX does not have.
    """
    # it warns of each plug-in of a library that is not installed
    logging.getLogger("jax2onnx").setLevel(logging.ERROR)
    x = workload.batch.x
    try:
        written: ModelProto = to_onnx(
            predict,
            [jax.ShapeDtypeStruct(x.shape, x.dtype)],
            opset=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
        )
    except NotImplementedError as error:
        named = re.search(r"primitive '([^']+)'", str(error))
        raise ExportError(framework, named[1] if named else "", str(error)) from error
    return written
