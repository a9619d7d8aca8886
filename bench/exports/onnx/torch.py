"""PyTorch: `torch.onnx.export` of the captured program (dynamo), with ONNX Script."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import nn

from bench.exports.onnx import INPUT, OPSET, OUTPUT, ExportError
from bench.exports.onnx._finish import finished
from bench.frameworks._torch import models
from bench.frameworks._torch.training import load
from bench.reference.workload import Array32, Workload

FORWARD: Final[dict[str, Callable[[Workload], nn.Module]]] = {name: each.model for name, each in models.FORWARD.items()}


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an ONNX file.

    Raises:
        ExportError: an operator that PyTorch's exporter or ONNX does not have.
    """
    model = FORWARD[workload.name](workload)
    load(model, parameters)
    x = torch.tensor(workload.batch.x)
    # capturing reads the legacy switch and fails where the newer ones, set for the training, differ from it
    torch.backends.cudnn.allow_tf32 = False
    try:
        program = torch.onnx.export(
            model.eval(),
            (x,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        cause = _root(error)
        named = re.search(r"OpOverload\(op='([^']+)'", str(cause))
        raise ExportError("PyTorch", named[1] if named else "", str(cause)) from error
    return finished(program.model_proto, "PyTorch")


def _root(error: BaseException) -> BaseException:
    while error.__cause__:
        error = error.__cause__
    return error
