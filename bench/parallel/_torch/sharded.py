"""FSDP2: every rank keeps a part of each parameter, and gathers a layer when it needs it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from bench.frameworks._torch import device, training
from bench.frameworks._torch.proof import placement_of
from bench.parallel import ParallelStep
from bench.parallel._torch.exchange import collectives_of
from bench.records.record import ModeProof
from bench.reference.workload import Array32, Workload


def sharded_step(workload: Workload, mode: str, precision: str) -> ParallelStep:
    """Return the step of a rank, whose rows are the batch of `workload`."""
    model, x, y = training.placed(workload, precision)
    mesh = init_device_mesh(device.chosen().type, (distributed.get_world_size(),))
    for child in model.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = training.optimizer_of(workload.optimizer, model.parameters())
    compute_loss = training.loss_of(workload, model, precision)
    last: torch.Tensor | None = None

    def step() -> torch.Tensor:
        nonlocal last
        optimizer.zero_grad()
        loss = compute_loss(x, y)
        loss.backward()
        optimizer.step()
        last = loss.detach()
        return last

    def reset() -> None:
        optimizer.zero_grad()
        load(model, workload.parameters)
        training.forget(optimizer)

    def gradient() -> Mapping[str, Array32]:
        optimizer.zero_grad()
        compute_loss(x, y).backward()
        found = {name: whole(p.grad) for name, p in model.named_parameters()}
        optimizer.zero_grad()
        return found

    def proof() -> ModeProof:
        parameters = list(model.parameters())
        placements = sorted({str(p.placements) if isinstance(p, DTensor) else "whole" for p in parameters})
        return ModeProof(
            mode="fsdp" if all(isinstance(p, DTensor) for p in parameters) else "not sharded",
            compilations=None,
            evidence=f"the parameters are DTensors, placed {' and '.join(placements)}",
            **placement_of(parameters, last),
        )

    return ParallelStep(
        call=step,
        reset=reset,
        parameters=lambda: {name: whole(p) for name, p in model.named_parameters()},
        gradient=gradient,
        proof=proof,
        collectives=lambda: collectives_of(step),
        unsynchronised_why="FSDP gathers parameters that a rank does not have: without the exchange there is no step",
    )


def load(model: nn.Module, parameters: Mapping[str, Array32]) -> None:
    """Write a rank's parts of `parameters` into the sharded model in place; each rank cuts them by itself."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            value = torch.tensor(training.to_torch(parameters[name]), device=device.chosen())
            part = distribute_tensor(value, p.device_mesh, p.placements, src_data_rank=None)
            p.to_local().copy_(part.to_local())


def whole(tensor: Any) -> Array32:
    """Return a sharded tensor, gathered from all ranks, as the workloads have it."""
    return training.from_torch(tensor.full_tensor().detach().cpu().numpy()).copy()
