"""fastai: its own `DataLoader`, and `Learner.one_batch`, which is what `Learner.fit` does with each batch.

fastai's loader hands the indices of an epoch to its workers when they start, so they start anew in each epoch. The
default callbacks stay; the Recorder fetches the smoothed loss in every batch.
"""

from typing import Any, Final

import torch
from fastai.basics import DataLoader, DataLoaders, Learner, noop
from torch import nn

from bench.data.dataset import Dataset
from bench.frameworks._torch import device, training
from bench.frameworks._torch.models import FORWARD
from bench.frameworks.fastai import optimizer_of
from bench.interface import Skip
from bench.reference.workload import Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer
from bench.streams._torch import TIMEOUT_S, Order, samples_of, shared_memory_lacking

PIPELINES = {
    "memory": "fastai's DataLoader over arrays in memory, a batch an item (bs=None), no workers",
    "records-0": "fastai's DataLoader over records, sample by sample, with its own collate function, no workers",
    "records-2-workers": "the same with two worker processes, which fastai starts anew in each epoch",
}
WORKERS: Final = {"records-2-workers": 2}


class _Scaled(nn.Module):  # type: ignore[misc]
    """The model of a workload behind the scaling of the pixels."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.model: nn.Module = FORWARD[workload.name].model(workload)
        training.load(self.model, workload.parameters)
        self.shape = workload.batch.x.shape[1:]

    def forward(self, x: torch.Tensor) -> Any:
        return self.model(x.float().sub_(CENTRE).div_(CENTRE).view(-1, *self.shape))


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the training loader of fastai's DataLoaders; the batches stay on the host until the step."""
    workers = WORKERS.get(mode, 0)
    if lacking := shared_memory_lacking(workers, batch):
        return Skip(lacking)
    order = Order(data.samples)
    by_batch = mode == "memory"

    def indices() -> list[Any]:
        items = list(order)
        return [items[first : first + batch] for first in range(0, len(items), batch)] if by_batch else items

    loader = DataLoader(
        samples_of(data, mode, seed),
        bs=None if by_batch else batch,
        num_workers=workers,
        pin_memory=device.on_cuda(),
        timeout=TIMEOUT_S if workers else 0,
        get_idxs=indices,
    )
    train = DataLoaders(loader).train

    def epoch(number: int) -> Batches:
        order.epoch = number
        return iter(train)

    return Pipeline(epoch=epoch)


def trainer(workload: Workload) -> Trainer | Skip:
    """Return Learner.one_batch, begun as a fit of one epoch begins."""
    model = _Scaled(workload).to(device.chosen())
    learner = Learner(
        DataLoaders([], [], device=device.chosen()),
        model,
        loss_func=FORWARD[workload.name].loss,
        opt_func=optimizer_of(workload.optimizer),
        lr=workload.optimizer.learning_rate,
    )
    learner.logger = noop
    learner.create_opt()
    learner.opt.set_hypers(wd=0.0)  # which `fit` would do; the optimiser's own default decays
    learner.n_epoch = learner.n_iter = 1
    for event in ("before_fit", "before_epoch", "before_train"):
        learner(event)
    seen = 0

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        learner.one_batch(seen, (x, y.long()))
        seen += 1
        loss: torch.Tensor = learner.loss.detach()
        return loss

    return Trainer(step=step, parameters=lambda: training.parameters_of(model.model))
