"""What the exporters of PyTorch share: the model with its trained parameters and an input, and errors as a sentence."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from bench.exports import ExportError
from bench.frameworks._torch import training
from bench.frameworks._torch.device import chosen
from bench.frameworks._torch.models import FORWARD
from bench.reference.workload import Array32, Workload


def loaded(workload: Workload, parameters: Mapping[str, Array32]) -> tuple[nn.Module, torch.Tensor]:
    """Return the workload's model in evaluation mode with `parameters`, and its batch x, on the chosen device.

    x has a storage of its own: `torch.export` writes the whole storage of its example.
    """
    model = FORWARD[workload.name].model(workload).to(chosen())
    training.load(model, parameters)
    return model.eval().requires_grad_(requires_grad=False), torch.tensor(workload.batch.x, device=chosen())


@contextmanager
def exporting(format_: str) -> Iterator[None]:
    """Let an error of PyTorch name the operator, where it does, and the format with PyTorch's version.

    Raises:
        ExportError: PyTorch raised a RuntimeError, as all of its exporters do.
    """
    try:
        yield
    except RuntimeError as error:
        named = re.search(r"(?:OpOverload\(op='|Python function call '|operator )([\w.:]+)", str(error))
        operator = named[1] if named else ""
        raise ExportError("PyTorch", operator, f"{format_} (PyTorch {torch.__version__})", str(error)) from error
