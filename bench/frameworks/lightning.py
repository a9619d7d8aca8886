"""PyTorch Lightning: `Trainer.fit` over a one-batch loader, one epoch an update, with automatic optimisation.

The Trainer is set as for real full-batch training that has to be quick: no logger, no checkpoints, no progress bar, no
model summary, no validation. `barebones=True` was no faster, and Lightning advises against training in it.
"""

from collections.abc import Callable, Sequence

import lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from bench.frameworks._torch import device, inductor, models
from bench.frameworks._torch import probes as _torch_probes
from bench.frameworks._torch import proof as found
from bench.frameworks._torch import training as backend
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Workload

MODES = {
    "fit": "Trainer.fit: as many one-batch epochs as updates, automatic optimisation, no validation, eager PyTorch",
    "fit-compile": "the same with torch.compile of the inner model and its loss, called by training_step",
}
BASELINE = "fit"
LADDER = ("fit",)
LIMITS = "torch"
ALLOCATORS = "torch"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
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
        self.seen = 0

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, y = batch
        loss = self.compute_loss(x, y)
        self.losses.append(loss.detach())
        self.seen += 1
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer  # the same one in each fit, so that its state goes on


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the Trainer's fit, of the model as it is or compiled."""
    if not workload.trains:
        return Skip("Lightning's forward pass is PyTorch's own: its Trainer adds loops and loaders, not a mode")
    if lacking := backend.lacking(workload, precision):
        return Skip(lacking)
    compiles = mode == "fit-compile"
    if compiles and (missing := found.compiler_missing()):
        return Skip(missing)
    model, x, y = backend.placed(workload, precision)
    eager = backend.loss_of(workload, model, precision)
    products = backend.products_of(backend.predict_of(model, precision), x, precision)
    compute_loss = torch.compile(eager) if compiles else eager
    optimizer = backend.optimizer_of(workload.optimizer, model.parameters())
    module = _Module(model, compute_loss, optimizer)
    whole_batch = DataLoader([(x, y)], batch_size=None)
    trainer = lightning.Trainer(
        max_epochs=0,
        accelerator="gpu" if device.on_cuda() else "cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    asked = 0

    def fit(updates: int) -> torch.Tensor:
        nonlocal asked
        asked += updates
        module.losses = []
        trainer.fit_loop.max_epochs = trainer.current_epoch + updates
        trainer.fit(module, whole_batch)
        return torch.stack(module.losses)  # (updates,)

    def reset() -> None:
        backend.load(model, workload.parameters)
        backend.forget(optimizer)

    def proof() -> ModeProof:
        output = module.losses[-1] if module.losses else None
        evidence = f"{module.seen} batches seen in {asked} updates asked for"
        placement = found.placement(model.parameters(), output, products)
        return inductor.trainer_proof(mode, compute_loss, placement, complete=module.seen == asked, evidence=evidence)

    return Step(
        fit=fit,
        reset=reset,
        parameters=lambda: backend.parameters_of(model),
        gradient=lambda: backend.gradient_of(model, eager, x, y),
        proof=proof,
    )


start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache = device.empty_cache
probes = _torch_probes.probes


def versions() -> Sequence[str]:
    """The library itself, the PyTorch it trains with, and NumPy for the inputs."""
    return (f"lightning=={lightning.__version__}", f"torch=={torch.__version__}", f"numpy=={np.__version__}")
