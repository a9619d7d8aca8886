"""A forward pass without training, in each mode."""

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from bench.frameworks._torch import device, inductor
from bench.frameworks._torch import proof as found
from bench.frameworks._torch import training as backend
from bench.frameworks._torch.cuda_graph import _Graph
from bench.frameworks._torch.script import AsModule, Script
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import Workload

INDUCTOR: Final = {"compile": "default", "reduce-overhead": "reduce-overhead", "max-autotune": "max-autotune"}
TRAINING_ONLY: Final = ("foreach", "fused", "compile-step")  # they are about the update


def _copied(output: torch.Tensor) -> torch.Tensor:
    """Return a copy: the next replay of a CUDA graph overwrites what it returned, and a round keeps all outputs."""
    return output.detach().clone()


def _forward(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the forward pass alone, at the initial parameters, in inference mode."""
    if mode in TRAINING_ONLY:
        return Skip(f"{mode} is about the update, and a forward pass has none")
    model, x, _ = backend.placed(workload, precision)
    model.eval()
    eager = backend.predict_of(model, precision)
    predict = _run_as(mode, eager, model)
    graph = _Graph(lambda: eager(x)) if mode == "cuda-graph" else None
    kept = _copied if mode in INDUCTOR and device.on_cuda() else torch.Tensor.detach
    last: torch.Tensor | None = None

    def step() -> torch.Tensor:
        nonlocal last
        with torch.inference_mode():
            last = graph.replay() if graph else kept(predict(x))
        return last

    def proof() -> ModeProof:
        placement = found.placement(model.parameters(), last)
        placement["compute_precision"] = placement["output_precision"]  # the last product's result is the prediction
        if mode in INDUCTOR:
            return inductor.inductor_proof(predict, placement)
        if isinstance(predict, Script):
            return predict.proof(placement)
        if graph:
            return graph.proof(placement)
        evidence = "PyTorch called the model operator by operator"
        return ModeProof(mode="eager", compilations=None, evidence=evidence, **placement)

    return Step(
        call=step,
        reset=lambda: None,
        parameters=lambda: backend.parameters_of(model),
        proof=proof,
        inference=True,
    )


def _run_as(mode: str, function: Callable[..., torch.Tensor], model: nn.Module) -> Callable[..., torch.Tensor]:
    """Return `function`, the model's forward pass with or without the loss, as `mode` runs it."""
    if mode == "torchscript":
        return Script(AsModule(model, function))
    if mode not in INDUCTOR:
        return function
    compiled: Callable[..., torch.Tensor] = torch.compile(function, mode=INDUCTOR[mode])
    return compiled
