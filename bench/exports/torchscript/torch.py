"""PyTorch: `torch.jit.trace`, `freeze` and `save`; deprecated, and still what LibTorch and phones load."""

import io
import warnings
from collections.abc import Mapping

import torch

from bench.exports._torch import exporting, loaded
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a TorchScript archive.

    Raises:
        ExportError: an operator that TorchScript does not have.
    """
    model, x = loaded(workload, parameters)
    written = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad(), exporting("TorchScript"):
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        traced = torch.jit.trace(model, (x,), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced.eval()), written)
    return written.getvalue()
