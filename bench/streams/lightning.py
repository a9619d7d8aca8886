"""Lightning: a `LightningDataModule`, and Fabric, which is Lightning where the loop is the caller's.

`Trainer.fit` owns its loop and can be given no single batch. So the loop is this suite's, as Fabric means it: the
loader of the data module, set up by Fabric, gives a batch; the module's own `training_step`, `Fabric.backward` and the
optimiser that Fabric wrapped are the step. Lightning has no loader of its own: the data module makes PyTorch's.
"""

from typing import Any, Final

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader

from bench.data.dataset import Dataset
from bench.frameworks._torch import device, training
from bench.frameworks._torch.models import FORWARD
from bench.interface import Skip
from bench.reference.precision import FLOAT32
from bench.reference.workload import Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer
from bench.streams._torch import Order, end_workers, loader_of, samples_of, shared_memory_lacking

PIPELINES = {
    "memory": "a LightningDataModule's DataLoader over arrays in memory, a batch an item, no workers; step by Fabric",
    "records-0": "a LightningDataModule's DataLoader over records, sample by sample, no workers; step by Fabric",
    "records-2-workers": "the same with two worker processes, which live on over the epochs; prefetch factor 2",
}
WORKERS: Final = {"records-2-workers": 2}


class _Data(lightning.LightningDataModule):  # type: ignore[misc]
    """The data set of one pipeline, in the order of `order`."""

    def __init__(self, data: Dataset, mode: str, batch: int, seed: int) -> None:
        super().__init__()
        self.data, self.mode, self.batch, self.seed = data, mode, batch, seed
        self.order = Order(data.samples)

    def train_dataloader(self) -> DataLoader[Any]:
        samples = samples_of(self.data, self.mode, self.seed)
        workers = WORKERS.get(self.mode, 0)
        return loader_of(samples, self.order, self.batch, workers=workers, by_batch=self.mode == "memory")


class _Module(lightning.LightningModule):  # type: ignore[misc]
    """The model of a workload, its loss and its optimiser."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.model: nn.Module = FORWARD[workload.name].model(workload)
        training.load(self.model, workload.parameters)
        self.compute_loss = training.loss_of(workload, self.model, FLOAT32)
        self.shape = workload.batch.x.shape[1:]
        self.optimizer = workload.optimizer

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, y = batch
        return self.compute_loss(x.float().sub_(CENTRE).div_(CENTRE).view(-1, *self.shape), y.long())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return training.optimizer_of(self.optimizer, self.model.parameters())


def _fabric() -> lightning.Fabric:
    return lightning.Fabric(accelerator=device.chosen().type, devices=1)


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the data module's loader as Fabric sets it up; the batches stay on the host until the step."""
    if lacking := shared_memory_lacking(WORKERS.get(mode, 0), batch):
        return Skip(lacking)
    module = _Data(data, mode, batch, seed)
    plain = module.train_dataloader()
    loader = _fabric().setup_dataloaders(plain, move_to_device=False)

    def epoch(number: int) -> Batches:
        module.order.epoch = number
        return iter(loader)

    return Pipeline(epoch=epoch, close=lambda: end_workers(plain))


def trainer(workload: Workload) -> Trainer | Skip:
    """Return Fabric's step: `to_device`, the module's `training_step`, `backward` and the optimiser's step."""
    fabric = _fabric()
    plain = _Module(workload)
    module, optimizer = fabric.setup(plain, plain.configure_optimizers())

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = module.training_step(fabric.to_device((x, y)))
        fabric.backward(loss)
        optimizer.step()
        return loss.detach()

    return Trainer(step=step, parameters=lambda: training.parameters_of(plain.model))
