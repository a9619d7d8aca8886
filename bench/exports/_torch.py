"""What the exporters of PyTorch share: the model with its trained parameters, and an input."""

from collections.abc import Mapping

import torch
from torch import nn

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
