"""The whole training step, the optimiser's update included, as one compiled function."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from bench.frameworks._torch import device, training
from bench.frameworks._torch.inductor import inductor_proof
from bench.frameworks._torch.proof import placement_of
from bench.interface import Step
from bench.records.record import ModeProof
from bench.reference.workload import Adam, Sgd, Workload


def compiled_step(workload: Workload, precision: str) -> Step:
    """Return the step as one compiled function. Its state lives in plain tensors, which are cheap to guard."""
    model, x, y = training.placed(workload, precision)
    eager = training.loss_of(workload, model, precision)
    products = training.products_of(training.predict_of(model, precision), x, precision)
    parameters = list(model.parameters())
    state, update = _functional(workload.optimizer, parameters)
    last: torch.Tensor | None = None
    torch._dynamo.config.trace_autograd_ops = True  # lets torch.autograd.grad into the graph

    @torch.compile  # type: ignore[untyped-decorator]
    def whole(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = eager(x, y)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            update(list(gradients))
        return loss.detach()

    def step() -> torch.Tensor:
        nonlocal last
        last = whole(x, y)
        return last

    def reset() -> None:
        training.load(model, workload.parameters)
        for tensor in state:
            tensor.zero_()

    def proof() -> ModeProof:
        compiled = inductor_proof(whole, placement_of(parameters, last, products))
        # as many graphs as frames: no frame has a backward graph of its own
        in_one = compiled.mode == "compile" and compiled.graphs == compiled.traces
        return dataclasses.replace(compiled, mode="compile-step" if in_one else compiled.mode)

    return Step(
        call=step,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=lambda: training.gradient_of(model, eager, x, y),
        proof=proof,
    )


def _functional(
    optimizer: Adam | Sgd, parameters: list[torch.Tensor]
) -> tuple[list[torch.Tensor], Callable[[list[torch.Tensor]], None]]:
    """Return the optimiser's state and its update from the gradients, by the functions behind `torch.optim`."""
    options: dict[str, Any] = {"lr": optimizer.learning_rate, "weight_decay": 0.0, "maximize": False}
    options["foreach"] = device.on_cuda()  # on a GPU Inductor fuses a foreach operator across tensors
    if isinstance(optimizer, Sgd):
        options |= {"fused": False, "momentum": 0.0, "dampening": 0.0, "nesterov": False}
        momenta: list[None] = [None] * len(parameters)
        return [], lambda gradients: sgd(parameters, gradients, momenta, **options)
    options |= {"amsgrad": False, "beta1": optimizer.beta1, "beta2": optimizer.beta2, "eps": optimizer.epsilon}
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    steps = [torch.zeros((), device=p.device) for p in parameters]

    def update(gradients: list[torch.Tensor]) -> None:
        # in a graph the step count is a tensor; run eagerly, as where Dynamo is switched off, a CPU refuses that
        capturable = torch.compiler.is_compiling()
        adam(parameters, gradients, first, second, [], steps, capturable=capturable, **options)

    return [*first, *second, *steps], update
