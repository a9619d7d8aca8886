"""How a mode runs a function of the model: by TorchScript, through Inductor, or operator by operator."""

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from bench.frameworks._torch import device
from bench.frameworks._torch.script import AsModule, Script

INDUCTOR: Final = {"compile": "default", "reduce-overhead": "reduce-overhead", "max-autotune": "max-autotune"}
REPLAYED: Final = ("reduce-overhead", "max-autotune")  # of these, the ones that replay CUDA graphs where there is a GPU


def run_as(mode: str, function: Callable[..., torch.Tensor], model: nn.Module) -> Callable[..., torch.Tensor]:
    """Return `function`, the model's forward pass with or without the loss, as `mode` runs it."""
    if mode == "torchscript":
        return Script(AsModule(model, function))
    if mode not in INDUCTOR:
        return function
    compiled: Callable[..., torch.Tensor] = torch.compile(function, mode=INDUCTOR[mode])
    return compiled


def allocator_lacking(mode: str) -> str:
    """Return why `mode` cannot run with the allocator of this process, as one sentence; empty: it can.

    Inductor keeps its CUDA graphs in trees, and asks the allocator for a checkpoint of their memory
    (`torch/_inductor/cudagraph_trees.py`). A graph that is captured by itself needs none.
    """
    if mode not in REPLAYED or not device.on_cuda():
        return ""
    allocator = torch.cuda.get_allocator_backend()
    if allocator == "native":
        return ""
    return f"{mode} needs checkpoints of the allocator's memory for its CUDA graphs, and {allocator} has none"


def keep_as(mode: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what makes an output safe to keep: detached, and copied where a CUDA graph may write to it again."""
    detach: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.detach
    return _copied if mode in REPLAYED and device.on_cuda() else detach


def _copied(output: torch.Tensor) -> torch.Tensor:
    """Return a copy: the next replay of a CUDA graph overwrites what it returned, and a round keeps all outputs."""
    return output.detach().clone()
