"""PyTorch: `torch.utils.data`, a map-style dataset and a DataLoader with or without worker processes.

The sampler hands out (epoch, index): workers that live on over the epochs learn in that way which flip and crop is due.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Sampler, default_collate

from bench.data import augment
from bench.data.dataset import Dataset, RecordReader
from bench.data.images import PIXELS, Images
from bench.frameworks._torch import device, training
from bench.frameworks._torch.models import FORWARD
from bench.interface import Skip
from bench.reference.precision import FLOAT32
from bench.reference.workload import Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer

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
PREFETCH: Final = 2  # batches of each worker, PyTorch's default
SHARED_MEMORY: Final = Path("/dev/shm")  # where workers put their batches
TIMEOUT_S: Final = 120  # for a batch of a worker: one that lacks shared memory would be waited for without end

Item = tuple[int, int]  # epoch and index of a sample


class _Order(Sampler[Item]):  # type: ignore[misc]
    """The samples of an epoch in the order of their indices."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.epoch = 0

    def __iter__(self) -> Iterator[Item]:
        return ((self.epoch, index) for index in range(self.samples))

    def __len__(self) -> int:
        return self.samples


class _Samples(torch.utils.data.Dataset[Any]):  # type: ignore[misc]
    """What both formats share: the augmentation of one sample, or of all samples of a batch."""

    def __init__(self, data: Dataset, seed: int) -> None:
        self.data = data
        self.seed = seed

    def sample(self, index: int) -> tuple[Images, int]:
        """Return a sample as it is stored."""
        raise NotImplementedError

    def __getitem__(self, item: Item | Sequence[Item]) -> Any:
        if isinstance(item, tuple):
            epoch, index = item
            image, label = self.sample(index)
            (chosen,) = augment.choices(self.seed, epoch, index, 1).tolist()
            return torch.from_numpy(augment.apply_one(image, *chosen)), label
        (epoch, first), count = item[0], len(item)
        pixels, labels = zip(*(self.sample(index) for _, index in item), strict=True)
        chosen = augment.choices(self.seed, epoch, first, count)
        return torch.stack([torch.from_numpy(augment.apply_one(*each)) for each in _each(pixels, chosen)]), (
            torch.tensor(labels)
        )


def _each(pixels: Sequence[Images], chosen: augment.Choices) -> Iterator[Any]:
    return ((image, *choice) for image, choice in zip(pixels, chosen.tolist(), strict=True))


class _Arrays(_Samples):
    """Arrays in memory."""

    def __init__(self, data: Dataset, seed: int) -> None:
        super().__init__(data, seed)
        self.x, self.y = data.arrays()

    def sample(self, index: int) -> tuple[Images, int]:
        return self.x[index], int(self.y[index])

    def __getitem__(self, item: Item | Sequence[Item]) -> Any:
        if isinstance(item, tuple):
            return super().__getitem__(item)
        (epoch, first), count = item[0], len(item)
        x = augment.apply(self.x[first : first + count], augment.choices(self.seed, epoch, first, count))
        return torch.from_numpy(x), torch.from_numpy(self.y[first : first + count])


class _Records(_Samples):
    """Records, read one by one where they lie: all are of the same length."""

    def __init__(self, data: Dataset, seed: int) -> None:
        super().__init__(data, seed)
        self.reader = RecordReader(data)

    def sample(self, index: int) -> tuple[Images, int]:
        return self.reader.sample(index)


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the DataLoader of `mode`."""
    workers = WORKERS.get(mode, 0)
    if lacking := _shared_memory_lacking(workers * PREFETCH + 1, batch) if workers else "":
        return Skip(lacking)
    order = _Order(data.samples)
    samples = _Arrays(data, seed) if mode.startswith("memory") else _Records(data, seed)
    several: dict[str, Any] = {}
    if workers:
        several = {"persistent_workers": True, "prefetch_factor": PREFETCH, "timeout": TIMEOUT_S}
    is_whole = mode == "memory" or mode.startswith("records-batch")
    loader = DataLoader(
        samples,
        batch_size=None if is_whole else batch,
        sampler=BatchSampler(order, batch, drop_last=False) if is_whole else order,
        collate_fn=None if is_whole else default_collate,
        num_workers=workers,
        pin_memory=device.on_cuda(),
        **several,
    )

    def epoch(number: int) -> Batches:
        order.epoch = number
        return iter(loader)

    def close() -> None:
        nonlocal loader
        if (running := loader._iterator) is not None:  # it offers no other way to end its workers
            running._shutdown_workers()
        del loader

    return Pipeline(epoch=epoch, close=close)


def _shared_memory_lacking(batches: int, batch: int, folder: Path = SHARED_MEMORY) -> str:
    """Return why the workers' batches do not fit into shared memory, as one sentence; empty: they do.

    A worker that finds no room raises, and the loop would wait for its batch until the time limit.
    """
    needed = batches * batch * (PIXELS + 8)
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if needed <= free:
        return ""
    return f"its workers need {needed >> 20} MiB of shared memory, {folder} has {free >> 20} MiB free"


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
