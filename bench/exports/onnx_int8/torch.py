"""PyTorch, as for ONNX, then ONNX Runtime's `quantize_dynamic`: weights of 8 bits, their operands rounded in each call.

It also takes convolutions, for which ONNX Runtime has no fused kernel then: they run several times slower than in
float32.
"""

from collections.abc import Mapping

from bench.exports import _quantizer
from bench.exports.onnx import torch as onnx
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an ONNX file.

    Raises:
        ExportError: an operator that PyTorch's exporter or ONNX does not have.
    """
    return _quantizer.dynamic(onnx.export(workload, parameters))
