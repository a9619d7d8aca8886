"""What every framework on PyTorch shares: the device, the workloads' models, the optimisers and the results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.framework import Output
from bench.record import Memory
from bench.workload import Adam, Array32, Array64, Sgd, Workload


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model, whose state-dict names are the workload's, and its loss of prediction and target."""

    model: Callable[[], nn.Module]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


FORWARD = {"regression": Forward(lambda: nn.Linear(1, 1), nn.functional.mse_loss)}

_device = torch.device("cpu")


def start(device: str, threads: int) -> None:
    """Choose the device, set the threads and strict float32 (no TF32)."""
    global _device
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("PyTorch finds no CUDA device")
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)
    torch.backends.fp32_precision = "ieee"
    _device = torch.device(device)
    torch.zeros(1, device=_device)  # creates the CUDA context


def on_cuda() -> bool:
    """Return whether `start` was told to use a CUDA device."""
    return bool(_device.type == "cuda")


def placed(workload: Workload) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return the workload's model at its initial parameters, and its inputs x and y, on the device."""
    model = FORWARD[workload.name].model().to(_device)
    load(model, workload.parameters)
    x, y = (torch.tensor(workload.inputs[name], device=_device) for name in ("x", "y"))
    return model, x, y


def load(model: nn.Module, parameters: Mapping[str, Array32]) -> None:
    """Write `parameters` into the model in place, so that whatever was compiled for them stays valid."""
    model.load_state_dict({name: torch.tensor(array) for name, array in parameters.items()})


def parameters_of(model: nn.Module) -> Mapping[str, Array32]:
    """Return copies of the model's parameters by name."""
    return {name: p.detach().cpu().numpy().copy() for name, p in model.named_parameters()}


def optimizer_of(optimizer: Adam | Sgd, parameters: Iterable[nn.Parameter], **options: Any) -> torch.optim.Optimizer:
    """Return PyTorch's optimiser with the workload's constants; `options` choose its implementation."""
    if isinstance(optimizer, Sgd):
        return torch.optim.SGD(parameters, lr=optimizer.learning_rate, **options)
    betas = (optimizer.beta1, optimizer.beta2)
    return torch.optim.Adam(parameters, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon, **options)


def forget(optimizer: torch.optim.Optimizer) -> None:
    """Set the optimiser's state to zero in place: as fresh, and what was compiled or captured for it stays valid."""
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor):
                value.zero_()


def wait(outputs: Sequence[Output]) -> None:
    """Wait for every stream of the CUDA device; on the CPU PyTorch has returned when it has computed."""
    if on_cuda():
        torch.cuda.synchronize(_device)


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.concatenate([loss.reshape(-1).cpu().numpy() for loss in outputs]).astype(np.float64)


def memory() -> Memory:
    """Return the caching allocator's statistics; `device_allocations_warmup` counts since the process began."""
    if not on_cuda():
        return Memory()
    return Memory(
        allocated_peak_bytes=torch.cuda.max_memory_allocated(_device),
        reserved_peak_bytes=torch.cuda.max_memory_reserved(_device),
        device_allocations_warmup=torch.cuda.memory_stats(_device)["num_device_alloc"],
    )
