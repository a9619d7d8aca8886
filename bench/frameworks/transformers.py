"""Hugging Face Trainer: `Trainer.train` on Accelerate over a one-batch dataset, one epoch an update, on PyTorch.

The defaults that would change the arithmetic are turned off: the rate stays constant, no gradient is clipped, and AdamW
has no decay. So are those that write files or reports. The Trainer logs losses as rounded text: each batch's own is
kept in `training_step`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import accelerate
import numpy as np
import torch
import transformers
from torch import nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from bench.frameworks._torch import device, models, training
from bench.frameworks._torch.inductor import trainer_proof
from bench.frameworks._torch.proof import placement_of
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Adam, Sgd, Workload
from bench.turns.prepare import scratch

MODES = {"fit": "Trainer.train: as many one-batch epochs as updates, AdamW without decay or SGD, eager PyTorch"}
BASELINE = "fit"
ERA = 2020
PERIOD = "today"
EXHIBIT = True
ENVIRONMENT = {
    "HF_HOME": "{scratch}/huggingface",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "{threads}",
    "TORCHINDUCTOR_CACHE_DIR": "{scratch}/inductor",
}
ADAM = KINGMA_BA
FORWARD = {name: models.FORWARD[name] for name in ("regression", "regression_wide")}
QUIET: Final[Mapping[str, Any]] = {
    "report_to": "none",
    "save_strategy": "no",
    "logging_strategy": "no",
    "disable_tqdm": True,
}


class _WithLoss(nn.Module):  # type: ignore[misc]
    """A model as the Trainer takes it: it is handed the inputs by name and returns the loss."""

    def __init__(self, model: nn.Module, loss: Any) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return {"loss": self.loss(self.model(x), labels)}


class _Trainer(Trainer):  # type: ignore[misc]
    """Keeps each batch's loss on the device, without waiting for it."""

    losses: list[torch.Tensor]
    batches = 0

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*arguments, **options)
        self.losses.append(loss.detach())
        self.batches += 1
        return loss


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the Trainer's fit."""
    if precision != FLOAT32:
        return Skip(f"the Trainer is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("the Trainer's forward pass is PyTorch's own: it adds a loop and callbacks, not a mode")
    model, x, y = training.placed(workload, precision)
    arguments = TrainingArguments(
        output_dir=str(scratch() / "trainer"),
        per_device_train_batch_size=1,  # an item of the dataset is the whole batch
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        use_cpu=not device.on_cuda(),
        dataloader_pin_memory=False,
        **_optimizer_of(workload.optimizer),
        **QUIET,
    )
    trainer = _Trainer(
        model=_WithLoss(model, FORWARD[workload.name].loss),
        args=arguments,
        train_dataset=[{"x": x, "labels": y}],
        data_collator=lambda items: items[0],
    )
    trainer.losses = []
    trainer.remove_callback(PrinterCallback)  # the place of the progress bar, which is off
    updates_asked = 0

    def fit(updates: int) -> torch.Tensor:
        nonlocal updates_asked
        updates_asked += updates
        trainer.losses = []
        trainer.args.num_train_epochs = updates
        trainer.train()
        return torch.stack(trainer.losses)  # (updates,)

    def reset() -> None:
        training.load(model, workload.parameters)
        trainer.optimizer = None  # the next fit makes one

    def proof() -> ModeProof:
        output = trainer.losses[-1] if trainer.losses else None
        inner = getattr(trainer.optimizer, "optimizer", None)
        evidence = (
            f"{trainer.batches} batches seen in {updates_asked} updates asked for, {trainer.state.global_step} of them"
            f" in the last fit; the optimiser is {type(trainer.optimizer).__name__} around {type(inner).__name__}"
        )
        complete = trainer.batches == updates_asked and trainer.state.global_step == len(trainer.losses)
        return trainer_proof(
            mode, model, placement_of(model.parameters(), output), complete=complete, evidence=evidence
        )

    return Step(
        fit=fit,
        reset=reset,
        parameters=lambda: training.parameters_of(model),
        gradient=lambda: training.gradient_of(model, training.loss_of(workload, model, precision), x, y),
        proof=proof,
    )


def _optimizer_of(optimizer: Adam | Sgd) -> Mapping[str, Any]:
    """Return the arguments that choose the optimiser and its constants."""
    if isinstance(optimizer, Sgd):
        return {"optim": "sgd", "learning_rate": optimizer.learning_rate}
    return {
        "optim": "adamw_torch",
        "learning_rate": optimizer.learning_rate,
        "adam_beta1": optimizer.beta1,
        "adam_beta2": optimizer.beta2,
        "adam_epsilon": optimizer.epsilon,
        "weight_decay": 0.0,
    }


start, wait, to_numpy, memory = device.start, device.wait, device.to_numpy, device.memory
empty_cache = device.empty_cache


def versions() -> Sequence[str]:
    """The library and Accelerate, the PyTorch they train with, and NumPy for the inputs."""
    own = (f"transformers=={transformers.__version__}", f"accelerate=={accelerate.__version__}")
    return (*own, f"torch=={torch.__version__}", f"numpy=={np.__version__}")
