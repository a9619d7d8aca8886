"""Flax: the model's call through jax2onnx, which traces it as any function of JAX."""

from collections.abc import Mapping

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
    written = converted(loaded(workload, parameters), workload, "Flax")
    written.producer_name = JAX2ONNX_OF_FLAX
    return finished(written, "Flax")
