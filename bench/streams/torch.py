"""PyTorch: `torch.utils.data`, a map-style dataset and a DataLoader with or without worker processes."""

from typing import Final

import torch
from torch import nn

from bench.data.dataset import Dataset
from bench.frameworks._torch import device, training
from bench.frameworks._torch.models import FORWARD
from bench.interface import Skip
from bench.reference.precision import FLOAT32
from bench.reference.workload import Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer
from bench.streams._torch import Order, end_workers, loader_of, samples_of, shared_memory_lacking

PIPELINES = {
    "memory": "DataLoader over arrays in memory, a batch an item (batch_size=None), no workers",
    "memory-samples": "DataLoader over arrays in memory, sample by sample, with its own collate function, no workers",
    "records-0": "DataLoader over records, sample by sample, no workers",
    "records-1-worker": "the same with one worker process, which lives on over the epochs; prefetch factor 2",
    "records-2-workers": "the same with two worker processes",
    "records-batch-0": "DataLoader over records, a batch an item, no workers",
    "records-batch-2-workers": "the same with two worker processes",
}
WORKERS: Final = {"records-1-worker": 1, "records-2-workers": 2, "records-batch-2-workers": 2}


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the DataLoader of `mode`."""
    workers = WORKERS.get(mode, 0)
    if lacking := shared_memory_lacking(workers, batch):
        return Skip(lacking)
    order = Order(data.samples)
    by_batch = mode == "memory" or mode.startswith("records-batch")
    loader = loader_of(samples_of(data, mode, seed), order, batch, workers=workers, by_batch=by_batch)

    def epoch(number: int) -> Batches:
        order.epoch = number
        return iter(loader)

    return Pipeline(epoch=epoch, close=lambda: end_workers(loader))


def trainer(workload: Workload) -> Trainer | Skip:
    """Return the usual eager step: forward, backward, Adam."""
    model: nn.Module = FORWARD[workload.name].model(workload).to(device.chosen())
    training.load(model, workload.parameters)
    optimizer = training.optimizer_of(workload.optimizer, model.parameters())
    compute_loss = training.loss_of(workload, model, FLOAT32)
    shape = workload.batch.x.shape[1:]

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x.to(device.chosen(), non_blocking=True).float().sub_(CENTRE).div_(CENTRE).view(-1, *shape)
        optimizer.zero_grad()
        loss = compute_loss(x, y.to(device.chosen(), non_blocking=True).long())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Trainer(step=step, parameters=lambda: training.parameters_of(model))
