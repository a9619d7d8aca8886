"""PyTorch, as for ONNX, then ONNX Runtime's `quantize_static`: products of 8 bits, calibrated with training rows."""

from collections.abc import Mapping

from bench.exports import _quantizer
from bench.exports._calibration import training_rows
from bench.exports.onnx import torch as onnx
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an ONNX file.

    Raises:
        ExportError: an operator that PyTorch's exporter or ONNX does not have.
    """
    return _quantizer.static(onnx.export(workload, parameters), training_rows(workload))
