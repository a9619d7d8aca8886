"""PyTorch Lightning: `Trainer.fit` over a one-batch loader, one epoch an update, with automatic optimisation.

The Trainer is set as for real full-batch training that has to be quick: no logger, no checkpoints, no progress bar, no
model summary, no validation. `barebones=True` was no faster, and Lightning advises against training in it. Between two
fits the model stays on its device (`_lightning_device.py`).
"""

from collections.abc import Callable, Sequence

import lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from bench.frameworks._lightning_device import keep_cache, resident_on
from bench.frameworks._torch import device, models, training
from bench.frameworks._torch.inductor import compiler_missing, trainer_proof
from bench.frameworks._torch.probes import torch_probes
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Workload

MODES = {
    "fit": "Trainer.fit: as many one-batch epochs as updates, automatic optimisation, no validation, eager PyTorch",
    "fit-compile": "the same with torch.compile of the inner model and its loss, called by training_step",
}
BASELINE = "fit"
ERA = 2019
PERIOD = "today"
LADDER = ("fit",)
LIMITS = "torch"
PROGRAMS = {"g++": "g++"}
PROGRAM_MODES = ("fit-compile",)
FORMS = {"transformer": "scaled_dot_product_attention"}
ALLOCATORS = "torch"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
    "TRITON_CACHE_DIR": "{scratch}/triton",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
    "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    "TORCHINDUCTOR_VEC_ISA_OK": "1",
}
ADAM = KINGMA_BA
FORWARD = models.FORWARD


class _Module(lightning.LightningModule):  # type: ignore[misc]
    """The model with its loss; keeps each batch's loss on the device, without waiting for it."""

    def __init__(
        self,
        model: nn.Module,
        compute_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        super().__init__()
        self.model = model
        self.compute_loss = compute_loss
        self.optimizer = optimizer
        self.losses: list[torch.Tensor] = []
        self.batches = 0

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, y = batch
        loss = self.compute_loss(x, y)
        self.losses.append(loss.detach())
        self.batches += 1
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer  # the same in each fit, so that its state is kept


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the Trainer's fit, of the model as it is or compiled."""
    if not workload.trains:
        return Skip("Lightning's forward pass is PyTorch's own: its Trainer adds loops and loaders, not a mode")
    if lacking := training.lacking(workload, precision):
        return Skip(lacking)
    compiles = mode == "fit-compile"
    if compiles and (missing := compiler_missing()):
        return Skip(missing)
    model, x, y = training.placed(workload, precision)
    eager = training.loss_of(workload, model, precision)
    products = training.products_of(training.predict_of(model, precision), x, precision)
    compute_loss = torch.compile(eager) if compiles else eager
    optimizer = training.optimizer_of(workload.optimizer, model.parameters())
    module = _Module(model, compute_loss, optimizer)
    whole_batch = DataLoader([(x, y)], batch_size=None)
    trainer = lightning.Trainer(
        max_epochs=0,
        strategy=resident_on(device.chosen()),
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    keep_cache(trainer)
    updates_asked = 0

    def fit(updates: int) -> torch.Tensor:
        nonlocal updates_asked
        updates_asked += updates
        module.losses = []
        trainer.fit_loop.max_epochs = trainer.current_epoch + updates
        trainer.fit(module, whole_batch)
        return torch.stack(module.losses)  # (updates,)

    def reset() -> None:
        optimizer.zero_grad()  # before the load, which may need a temporary copy on the device
        training.load(model, workload.parameters)
        training.forget(optimizer)

    def proof() -> ModeProof:
        output = module.losses[-1] if module.losses else None
        evidence = f"{module.batches} batches seen in {updates_asked} updates asked for"
        placement = placement_of(model.parameters(), output, products)
        return trainer_proof(mode, compute_loss, placement, complete=module.batches == updates_asked, evidence=evidence)

    return Step(
        fit=fit,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=lambda: training.gradient_of(model, eager, x, y),
        proof=proof,
    )


start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache = device.empty_cache
probes = torch_probes


def versions() -> Sequence[str]:
    """The library itself, the PyTorch it trains with, and NumPy for the inputs."""
    return (f"lightning=={lightning.__version__}", f"torch=={torch.__version__}", f"numpy=={np.__version__}")
