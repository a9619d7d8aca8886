"""The parts of a training step on PyTorch: model and data on the device, precision, loss, gradient, optimiser.

bfloat16 is PyTorch's autocast: products take bfloat16 copies of their operands; parameters, sums, norms and the softmax
stay in float32. The loss is computed from float32 predictions.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import nn

from bench.frameworks._torch import device
from bench.frameworks._torch.models import FORWARD
from bench.reference.precision import BFLOAT16, TF32
from bench.reference.workload import Adam, Array32, Sgd, Workload

WITHOUT_PRODUCTS: Final = ("pointwise",)  # autocast rounds the operands of products, and there are none

Predict = Callable[[torch.Tensor], torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def lacking(workload: Workload, precision: str) -> str:
    """Return why this device or workload has no such precision, as one sentence; empty: it has."""
    if precision == TF32:
        if not device.on_cuda():
            return "TF32 is a format of NVIDIA's GPUs; this is the CPU"
        if (capability := torch.cuda.get_device_capability(device.chosen())) < (8, 0):
            return f"TF32 needs compute capability 8.0; this GPU has {capability}"
    if precision == BFLOAT16:
        if workload.name in WITHOUT_PRODUCTS:
            return f"PyTorch's autocast rounds products, and the {workload.name} has none"
        if device.on_cuda() and not torch.cuda.is_bf16_supported(including_emulation=False):
            return "this GPU computes no bfloat16"
    return ""


def predict_of(model: nn.Module, precision: str) -> Predict:
    """Return the forward pass, its products in `precision`."""
    if precision != BFLOAT16:
        return model  # type: ignore[no-any-return]

    kind = device.chosen().type

    def mixed(x: torch.Tensor) -> torch.Tensor:
        # a pass uses each weight once, so a cache of the copies gains nothing, and a trace must not hold them
        with torch.autocast(kind, torch.bfloat16, cache_enabled=False):
            return model(x)

    return mixed


def loss_of(workload: Workload, model: nn.Module, precision: str) -> Loss:
    """Return the forward pass with the loss, its products in `precision` and the loss in float32."""
    loss = FORWARD[workload.name].loss
    if precision != BFLOAT16:
        return lambda x, y: loss(model(x), y)
    predict = predict_of(model, precision)
    return lambda x, y: loss(predict(x).float(), y)


def products_of(predict: Predict, x: torch.Tensor, precision: str) -> Callable[[], str]:
    """Return a function that gives the dtype of the products: that of a forward pass of one sample, at its first call.

    One sample, because what it takes of the device's memory must not be the peak of the cell. Empty in float32 and
    TF32, where the dtype does not tell the two apart.
    """

    @functools.cache
    def dtype() -> str:
        if precision != BFLOAT16:
            return ""
        with torch.no_grad():
            return str(predict(x[:1]).dtype).removeprefix("torch.")

    return dtype


def placed(workload: Workload, precision: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return the workload's model at its initial parameters, and its inputs x and y, on the device.

    TF32 is a switch of the process: it is set here.
    """
    device.round_to_tf32(wanted=precision == TF32)
    model = FORWARD[workload.name].model(workload).to(device.chosen())
    load(model, workload.parameters)
    x, y = (torch.tensor(array, device=device.chosen()) for array in workload.batch)
    return model, x, y if y.is_floating_point() else y.long()


def load(model: nn.Module, parameters: Mapping[str, Array32]) -> None:
    """Write `parameters` into the model in place, so that whatever was compiled for them stays valid."""
    model.load_state_dict({name: torch.tensor(to_torch(array)) for name, array in parameters.items()})


def gradient_of(model: nn.Module, compute_loss: Loss, x: torch.Tensor, y: torch.Tensor) -> Mapping[str, Array32]:
    """Return the gradient of the loss by the model's parameters, computed eagerly; `.grad` is not touched."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    slopes = torch.autograd.grad(compute_loss(x, y), parameters)
    return {name: from_torch(slope.cpu().numpy()).copy() for name, slope in zip(names, slopes, strict=True)}


def to_torch(array: Array32) -> Array32:
    """Return a weight (…, inputs, outputs) as PyTorch keeps it, (outputs, inputs, …)."""
    return array.transpose(-1, -2, *range(array.ndim - 2)) if array.ndim > 1 else array


def from_torch(array: Array32) -> Array32:
    """Return a weight (outputs, inputs, …) as the workloads have it, (…, inputs, outputs)."""
    return array.transpose(*range(2, array.ndim), 1, 0) if array.ndim > 1 else array


def parameters_of(model: nn.Module) -> Mapping[str, Array32]:
    """Return copies of the model's parameters by name."""
    return {name: from_torch(p.detach().cpu().numpy()).copy() for name, p in model.named_parameters()}


def optimizer_of(optimizer: Adam | Sgd, parameters: Iterable[nn.Parameter], **options: Any) -> torch.optim.Optimizer:
    """Return PyTorch's optimiser with the workload's constants; `options` choose its implementation."""
    if isinstance(optimizer, Sgd):
        return torch.optim.SGD(parameters, lr=optimizer.learning_rate, **options)
    betas = (optimizer.beta1, optimizer.beta2)
    return torch.optim.Adam(parameters, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon, **options)


def forget(optimizer: torch.optim.Optimizer) -> None:
    """Set the optimiser's state to zero in place: as new, and what was compiled or captured for it stays valid."""
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor):
                value.zero_()
