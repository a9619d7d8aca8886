"""What the pipelines of PyTorch, Lightning and fastai share: the samples as a map-style dataset, and PyTorch's loader.

The sampler hands out (epoch, index): workers that live on over the epochs learn in that way which flip and crop is due.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, default_collate

from bench.data import augment, dataset
from bench.data.dataset import RecordReader
from bench.data.images import PIXELS, Images
from bench.frameworks._torch import device

PREFETCH: Final = 2  # batches of each worker, PyTorch's default
SHARED_MEMORY: Final = Path("/dev/shm")  # where workers put their batches
TIMEOUT_S: Final = 120  # for a batch of a worker: one that lacks shared memory would be waited for without end

Item = tuple[int, int]  # epoch and index of a sample


class Order(Sampler[Item]):  # type: ignore[misc]
    """The samples of an epoch in the order of their indices."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.epoch = 0

    def __iter__(self) -> Iterator[Item]:
        return ((self.epoch, index) for index in range(self.samples))

    def __len__(self) -> int:
        return self.samples


class Samples(Dataset[Any]):  # type: ignore[misc]
    """What both formats share: the augmentation of one sample, or of all samples of a batch."""

    def __init__(self, data: dataset.Dataset, seed: int) -> None:
        self.data = data
        self.seed = seed

    def sample(self, index: int) -> tuple[Images, int]:
        """Return a sample as it is stored."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.data.samples

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


class Arrays(Samples):
    """Arrays in memory."""

    def __init__(self, data: dataset.Dataset, seed: int) -> None:
        super().__init__(data, seed)
        self.x, self.y = data.arrays()

    def sample(self, index: int) -> tuple[Images, int]:
        """Return a sample as it is stored."""
        return self.x[index], int(self.y[index])

    def __getitem__(self, item: Item | Sequence[Item]) -> Any:
        if isinstance(item, tuple):
            return super().__getitem__(item)
        (epoch, first), count = item[0], len(item)
        x = augment.apply(self.x[first : first + count], augment.choices(self.seed, epoch, first, count))
        return torch.from_numpy(x), torch.from_numpy(self.y[first : first + count])


class Records(Samples):
    """Records, read one by one where they lie: all are of the same length."""

    def __init__(self, data: dataset.Dataset, seed: int) -> None:
        super().__init__(data, seed)
        self.reader = RecordReader(data)

    def sample(self, index: int) -> tuple[Images, int]:
        """Return a sample as it is stored."""
        return self.reader.sample(index)


def samples_of(data: dataset.Dataset, mode: str, seed: int) -> Samples:
    """Return the dataset that a pipeline's name opens with, "memory" or "records"."""
    return (Arrays if mode.startswith("memory") else Records)(data, seed)


def loader_of(samples: Samples, order: Order, batch: int, *, workers: int, by_batch: bool) -> DataLoader[Any]:
    """Return PyTorch's loader; `by_batch`: the dataset gives whole batches, and nothing is left to collate."""
    return DataLoader(
        samples,
        batch_size=None if by_batch else batch,
        sampler=BatchSampler(order, batch, drop_last=False) if by_batch else order,
        collate_fn=None if by_batch else default_collate,
        num_workers=workers,
        pin_memory=device.on_cuda(),
        **lasting(workers),
    )


def lasting(workers: int) -> dict[str, Any]:
    """Return the options of a loader for workers that live on over the epochs."""
    return {"persistent_workers": True, "prefetch_factor": PREFETCH, "timeout": TIMEOUT_S} if workers else {}


def end_workers(loader: DataLoader[Any]) -> None:
    """End the workers of a loader, which offers no other way."""
    if (running := loader._iterator) is not None:
        running._shutdown_workers()


def shared_memory_lacking(workers: int, batch: int, folder: Path = SHARED_MEMORY) -> str:
    """Return why the workers' batches do not fit into shared memory, as one sentence; empty: they do.

    A worker that finds no room raises, and the loop would wait for its batch until the time limit.
    """
    needed = (workers * PREFETCH + 1) * batch * (PIXELS + 8) if workers else 0
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if needed <= free:
        return ""
    return f"its workers need {needed >> 20} MiB of shared memory, {folder} has {free >> 20} MiB free"
