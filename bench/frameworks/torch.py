"""PyTorch: an explicit training loop around an `nn.Module`, run eagerly or with its forward and loss compiled.

`torch.compile` takes the forward pass with the loss, and with it the backward pass that AOTAutograd derives; the
optimiser stays PyTorch's own eager `torch.optim`. Compiling the whole step is another mode.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._dynamo.utils import counters

from bench.framework import Output, Skip, Step
from bench.record import Memory, ModeProof
from bench.workload import KINGMA_BA, Adam, Array32, Array64, Sgd, Workload

MODES = {
    "eager": "forward, backward and update as separate PyTorch calls, each operation dispatched by itself",
    "compile": "torch.compile (Inductor, default mode) of forward, loss and backward; the optimiser runs eagerly",
}
BASELINE = "eager"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
    # a precompiled header is 150 MB in the temporary folder, more than a small tmpfs holds
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
}
ADAM = KINGMA_BA


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


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step in eager PyTorch or around a compiled forward and loss."""
    if precision != "float32":
        return Skip(f"PyTorch is measured in float32 only, not {precision}")
    model, x, y = placed(workload)
    loss_function = FORWARD[workload.name].loss
    optimizer = _optimizer(workload.optimizer, model.parameters())

    def forward(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss_function(model(x), y)

    compute_loss = torch.compile(forward) if mode == "compile" else forward

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = compute_loss(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def reset() -> None:
        load(model, workload.parameters)
        optimizer.state.clear()
        optimizer.zero_grad()

    def proof() -> ModeProof:
        inductor, frames = counters["inductor"], counters["frames"]
        hits, misses = inductor["fxgraph_cache_hit"], inductor["fxgraph_cache_miss"] + inductor["fxgraph_cache_bypass"]
        whole = hits + misses > 0 and frames["ok"] == frames["total"]
        asked = mode == "compile"
        return ModeProof(
            mode="compile" if whole else "eager",
            device=device_of(model),
            threads=torch.get_num_threads(),
            precision=precision_of(model),
            compilations=frames["total"] if asked else None,
            graph_breaks=counters["graph_break"].total() if asked else None,
            cache_hits=hits if asked else None,
            cache_misses=misses if asked else None,
            evidence=f"Dynamo's counters: {frames['ok']} of {frames['total']} frames compiled, {hits + misses} graphs "
            "of Inductor; device and dtype are the parameters'",
        )

    return Step(call=step, reset=reset, parameters=lambda: parameters_of(model), proof=proof)


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


def device_of(model: nn.Module) -> str:
    """Return where the model's parameters lie, such as "cpu" or "cuda:0"."""
    return ", ".join(sorted({str(p.device) for p in model.parameters()}))


def precision_of(model: nn.Module) -> str:
    """Return the dtype of the model's parameters, or "tf32" when float32 products may be rounded to it."""
    if "tf32" in (torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision):
        return "tf32"
    return ", ".join(sorted({str(p.dtype).removeprefix("torch.") for p in model.parameters()}))


def _optimizer(optimizer: Adam | Sgd, parameters: Iterable[nn.Parameter]) -> Any:
    if isinstance(optimizer, Sgd):
        return torch.optim.SGD(parameters, lr=optimizer.learning_rate)
    betas = (optimizer.beta1, optimizer.beta2)
    return torch.optim.Adam(parameters, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon)


def wait(outputs: Sequence[Output]) -> None:
    """Wait for every stream of the CUDA device; on the CPU PyTorch has returned when it has computed."""
    if _device.type == "cuda":
        torch.cuda.synchronize(_device)


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.concatenate([loss.reshape(-1).cpu().numpy() for loss in outputs]).astype(np.float64)


def memory() -> Memory:
    """Return the caching allocator's statistics; `device_allocations_warmup` counts since the process began."""
    if _device.type == "cpu":
        return Memory()
    return Memory(
        allocated_peak_bytes=torch.cuda.max_memory_allocated(_device),
        reserved_peak_bytes=torch.cuda.max_memory_reserved(_device),
        device_allocations_warmup=torch.cuda.memory_stats(_device)["num_device_alloc"],
    )


def versions() -> Sequence[str]:
    """PyTorch, and NumPy for the inputs."""
    return (f"torch=={torch.__version__}", f"numpy=={np.__version__}")
