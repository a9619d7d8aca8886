"""PyTorch: `torch.utils.data`, a DataLoader with or without worker processes.

Its dataset is map-style for arrays and records; tar files (WebDataset) and Parquet (pyarrow) are read as they come.
"""

from typing import Final

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
from bench.streams._torch import Order, end_workers, lasting, loader_of, samples_of, shared_memory_lacking

PIPELINES = {
    "memory": "DataLoader over arrays in memory, a batch an item (batch_size=None), no workers",
    "memory-samples": "DataLoader over arrays in memory, sample by sample, with its own collate function, no workers",
    "records-0": "DataLoader over records, sample by sample, no workers",
    "records-1-worker": "the same with one worker process, which lives on over the epochs; prefetch factor 2",
    "records-2-workers": "the same with two worker processes",
    "records-batch-0": "DataLoader over records, a batch an item, no workers",
    "records-batch-2-workers": "the same with two worker processes",
    "webdataset-0": "the webdataset library over tar files, sample by sample, batched by it, no workers",
    "webdataset-2-workers": "the same with two worker processes, each with shards of its own: in no order",
    "parquet-0": "pyarrow over Parquet files, a batch of rows at a time, in an IterableDataset, no workers",
}
UNORDERED = ("webdataset-2-workers",)
WORKERS: Final = {
    "records-1-worker": 1,
    "records-2-workers": 2,
    "records-batch-2-workers": 2,
    "webdataset-2-workers": 2,
}


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the DataLoader of `mode`."""
    workers = WORKERS.get(mode, 0)
    if lacking := shared_memory_lacking(workers, batch):
        return Skip(lacking)
    if mode.startswith(("webdataset", "parquet")):
        return _shards(data, mode, batch, seed, workers)
    order = Order(data.samples)
    by_batch = mode == "memory" or mode.startswith("records-batch")
    loader = loader_of(samples_of(data, mode, seed), order, batch, workers=workers, by_batch=by_batch)

    def epoch(number: int) -> Batches:
        order.epoch = number
        return iter(loader)

    return Pipeline(epoch=epoch, close=lambda: end_workers(loader))


def _shards(data: Dataset, mode: str, batch: int, seed: int, workers: int) -> Pipeline:
    """Return a pipeline over files that are read from their begin to their end."""
    current = torch.zeros((), dtype=torch.int64)  # the epoch, which workers read, too
    if mode.startswith("webdataset"):
        from bench.streams import _webdataset  # only now: the other pipelines take no memory for it

        batches = _webdataset.batches_of(data, batch, seed, current.share_memory_() if workers else current)
    else:
        from bench.streams import _parquet

        batches = _parquet.Rows(data, batch, seed, current)
    loader = DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=device.on_cuda(), **lasting(workers))

    def epoch(number: int) -> Batches:
        current.fill_(number)
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
