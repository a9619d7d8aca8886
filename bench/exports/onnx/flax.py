"""Flax: the model's call through jax2onnx, which traces it as any function of JAX."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun

from bench.exports._flax import loaded
from bench.exports.onnx import JAX2ONNX_OF_FLAX
from bench.exports.onnx._finish import finished
from bench.exports.onnx._jax2onnx import converted
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an ONNX file.

    jax2onnx names itself as the producer, whoever called it: the file says that it was Flax.

    Raises:
        ExportError: a primitive that jax2onnx or ONNX does not have.
    """
    model = loaded(workload, parameters)
    try:
        written = converted(model, workload, "Flax")
    except TypeError:  # while it traces, jax2onnx replaces functions of Flax: nnx.avg_pool by one without parameters
        written = converted(_traced(model, workload), workload, "Flax")
    written.producer_name = JAX2ONNX_OF_FLAX
    return finished(written, "Flax")


def _traced(model: Any, workload: Workload) -> Callable[[jax.Array], jax.Array]:
    """Return `model` as the primitives that JAX traced in it: of these nothing is replaced."""
    x = workload.batch.x
    run = jaxpr_as_fun(jax.make_jaxpr(model)(jax.ShapeDtypeStruct(x.shape, x.dtype)))

    def predict(x: jax.Array) -> jax.Array:
        (predictions,) = run(x)
        return predictions

    return predict
