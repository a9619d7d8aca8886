"""PyTorch Lightning: `Trainer.fit` with its DDPStrategy, of ranks that are there already.

`Trainer(devices=2, strategy="ddp")` would start its script again for the second rank. Here the ranks are told to
Lightning by torchrun's variables, each as a node with one device, so it starts nothing. Each rank's loader has its own
rows, and Lightning's distributed sampler is off: it would shuffle them.
"""

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.environments import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from bench.frameworks import lightning as plain
from bench.frameworks._lightning_device import keep_cache
from bench.frameworks._torch import device, training
from bench.frameworks._torch.inductor import trainer_proof
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip
from bench.parallel import Collectives, ParallelStep, World
from bench.parallel._torch import meeting
from bench.parallel._torch.exchange import recorded, told
from bench.parallel._torch.replicated import reduced
from bench.records.record import ModeProof
from bench.reference.workload import Array32, Workload

STRATEGIES = {
    "fit-ddp": "Trainer.fit with strategy='ddp': Lightning wraps its module in DistributedDataParallel in each fit",
}
PROCESSES = ("fit-ddp",)
COMPARED = {"fit-ddp": "fit"}
ENVIRONMENT = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}

ADAM = plain.ADAM
FORWARD = plain.FORWARD
start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache, versions = device.empty_cache, plain.versions


class _Module(plain.FitModule):
    """Keeps the gradient of a batch, once the exchange has made it, and what DistributedDataParallel logged."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.slopes: dict[str, Array32] = {}
        self.reduced = (0, "")

    def on_after_backward(self) -> None:
        if self.keeps_slopes:
            named = self.model.named_parameters()
            self.slopes = {name: training.from_torch(p.grad.cpu().numpy()).copy() for name, p in named}

    def on_train_end(self) -> None:
        wrapped = self.trainer.strategy.model
        if isinstance(wrapped, DistributedDataParallel):
            self.reduced = reduced(wrapped)

    keeps_slopes = False


class _Resident(DDPStrategy):  # type: ignore[misc]
    """The strategy without the moves to the CPU at the end of a fit, as `bench.frameworks._lightning_device`."""

    def teardown(self) -> None:
        self.model = self.lightning_module
        self.precision_plugin.teardown()
        assert self.accelerator is not None
        self.accelerator.teardown()
        self.checkpoint_io.teardown()


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return this rank's Trainer, which has met the others."""
    if lacking := training.lacking(workload, precision) or meeting.lacking():
        return Skip(lacking)
    model, x, y = training.placed(world.share(workload), precision)
    optimizer = training.optimizer_of(workload.optimizer, model.parameters())
    products = training.products_of(training.predict_of(model, precision), x, precision)
    compute_loss = training.loss_of(workload, model, precision)
    module = _Module(model, compute_loss, optimizer)
    own_batch = DataLoader([(x, y)], batch_size=None)
    trainer = _trainer(world)
    updates_asked = 0

    def fit(updates: int) -> torch.Tensor:
        nonlocal updates_asked
        updates_asked += updates
        module.losses = []
        trainer.fit_loop.max_epochs = trainer.current_epoch + updates
        trainer.fit(module, own_batch)
        return torch.stack(module.losses)  # (updates,)

    def reset() -> None:
        optimizer.zero_grad()
        training.load(model, workload.parameters)
        training.forget(optimizer)

    def gradient() -> Mapping[str, Array32]:
        module.keeps_slopes = True
        fit(1)
        module.keeps_slopes = False
        return module.slopes

    def proof() -> ModeProof:
        output = module.losses[-1] if module.losses else None
        evidence = f"{module.batches} batches seen in {updates_asked} updates asked for; {module.reduced[1]}"
        placement = placement_of(model.parameters(), output, products)
        complete = module.batches == updates_asked and bool(module.reduced[1])
        found = trainer_proof("fit", compute_loss, placement, complete=complete, evidence=evidence)
        return dataclasses.replace(found, mode=f"{found.mode}-ddp")

    def collectives() -> Collectives:
        once, twice = (Counter(name for name, _ in recorded(partial(fit, updates))) for updates in (1, 2))
        where = "torch.profiler's events of a fit of two updates beyond those of a fit of one"
        return told(list((twice - once).elements()), module.reduced[0], f"{where}; {module.reduced[1]}")

    return ParallelStep(
        fit=fit,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=gradient,
        proof=proof,
        collectives=collectives,
        unsynchronised_why="Trainer.fit has no switch that leaves out the exchange",
    )


def _trainer(world: World) -> lightning.Trainer:
    """Return the trainer of a rank."""
    host, _, port = world.address.partition(":")
    os.environ |= {
        "RANK": str(world.rank),
        "GROUP_RANK": str(world.rank),
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(world.size),
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
    }
    trainer = lightning.Trainer(
        max_epochs=0,
        accelerator="gpu" if device.on_cuda() else "cpu",
        devices=1,
        num_nodes=world.size,
        strategy=_Resident(timeout=meeting.TIMEOUT),
        plugins=[TorchElasticEnvironment()],
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    keep_cache(trainer)
    trainer.strategy.setup_environment()  # the ranks meet now, and not in the first step
    return trainer
