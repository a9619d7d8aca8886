"""PyTorch, as for ONNX, of the model with 90 % of each weight matrix pruned by magnitude."""

from collections.abc import Mapping

from bench.exports.onnx import torch as onnx
from bench.reference.pruning import pruned
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, pruned, for a batch of the workload's size, as an ONNX file.

    Raises:
        ExportError: an operator that PyTorch's exporter or ONNX does not have.
    """
    return onnx.export(workload, pruned(parameters, 90))
