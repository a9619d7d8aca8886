"""DistributedDataParallel: every rank has all parameters; gradients are averaged while backward runs."""

import dataclasses
from collections.abc import Mapping

import torch
from torch.nn.parallel import DistributedDataParallel

from bench.frameworks._torch import device, training
from bench.frameworks._torch.inductor import inductor_proof
from bench.frameworks._torch.proof import optimizer_mode, placement_of
from bench.frameworks._torch.script import AsModule
from bench.parallel import ParallelStep
from bench.parallel._torch.exchange import collectives_of
from bench.records.record import ModeProof
from bench.reference.workload import Array32, Workload


def replicated_step(workload: Workload, mode: str, precision: str) -> ParallelStep:
    """Return the step of a rank, whose rows are the batch of `workload`."""
    model, x, y = training.placed(workload, precision)
    loss_of_model = AsModule(model, training.loss_of(workload, model, precision))
    run = torch.compile(loss_of_model) if mode == "ddp-compile" else loss_of_model
    compute_loss = DistributedDataParallel(run, device_ids=[device.chosen()] if device.on_cuda() else None)
    optimizer = training.optimizer_of(workload.optimizer, model.parameters())
    products = training.products_of(training.predict_of(model, precision), x, precision)
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
        training.load(model, workload.parameters)
        training.forget(optimizer)

    def gradient() -> Mapping[str, Array32]:
        optimizer.zero_grad()
        compute_loss(x, y).backward()
        found = {name: training.from_torch(p.grad.cpu().numpy()).copy() for name, p in model.named_parameters()}
        optimizer.zero_grad()
        return found

    def unsynchronised() -> torch.Tensor:
        with compute_loss.no_sync():
            return step()

    def proof() -> ModeProof:
        placement = placement_of(model.parameters(), last, products)
        _, evidence = optimizer_mode(optimizer)
        wrapped = "ddp" if isinstance(compute_loss, DistributedDataParallel) else "no ddp"
        if mode == "ddp":
            return ModeProof(mode=wrapped, compilations=None, evidence=evidence, **placement)
        compiled = inductor_proof(run, placement)
        ran = f"{wrapped}-{compiled.mode}"
        return dataclasses.replace(compiled, mode=ran, evidence=f"{compiled.evidence}; {evidence}")

    return ParallelStep(
        call=step,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=gradient,
        proof=proof,
        collectives=lambda: collectives_of(step, lambda: reduced(compute_loss)),
        unsynchronised=unsynchronised,
    )


def reduced(parallel: DistributedDataParallel) -> tuple[int, str]:
    """Return the bytes that are all-reduced in a step, by DistributedDataParallel's log of its buckets; a sentence."""
    logged = parallel._get_ddp_logging_data()
    sizes = logged.get("rebuilt_bucket_sizes") or logged["bucket_sizes"]
    buckets = [int(size) for size in sizes.split(", ") if size]
    listed = " + ".join(map(str, buckets))
    return sum(
        buckets
    ), f"DistributedDataParallel's log has buckets of {listed} bytes at world size {logged['world_size']}"
