"""What the pipelines of JAX and Flax share: Grain, the loader of JAX's users, a `MapDataset` of samples in their order.

Grain's worker processes are left out: each of them imports the program again, some 20 s in every epoch, and refuses to
where Abseil has not parsed the command line.
"""

from collections.abc import Iterator
from typing import Any, Final, Protocol, SupportsIndex

import grain
import numpy as np

from bench.data import augment
from bench.data.dataset import Dataset, RecordReader
from bench.data.images import Images, Labels
from bench.streams import Batches, Pipeline

THREADS: Final = {"records-grain-1-thread": 1}
AHEAD: Final = 2  # batches of its buffer; Grain's default is 500

Sample = tuple[Images, np.int32]


class _Source(Protocol):
    """What Grain asks of a source with random access."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex) -> Sample: ...


class _Arrays:
    """Samples in memory."""

    def __init__(self, data: Dataset) -> None:
        self.x, self.y = data.arrays()

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: SupportsIndex) -> Sample:
        return self.x[index], self.y[index]


class _Records:
    """Records, read one by one where they lie."""

    def __init__(self, data: Dataset) -> None:
        self.samples, self.reader = data.samples, RecordReader(data)

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: SupportsIndex) -> Sample:
        image, label = self.reader.sample(index.__index__())
        return image, np.int32(label)


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline:
    """Return the pipeline `mode`: source, augmentation sample by sample, batch, and a buffer if a thread fills it."""
    source: _Source = (_Arrays if mode.startswith("memory") else _Records)(data)
    threads = THREADS.get(mode, 0)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=AHEAD if threads else 0)

    def epoch(number: int) -> Batches:
        def augmented(index: int, sample: Sample) -> Sample:
            image, label = sample
            (chosen,) = augment.choices(seed, number, index, 1).tolist()
            return augment.apply_one(image, *chosen), label

        batches = grain.MapDataset.source(source).map_with_index(augmented).batch(batch)
        return _closing(iter(batches.to_iter_dataset(options)))

    return Pipeline(epoch=epoch)


def _closing(batches: Any) -> Iterator[tuple[Images, Labels]]:
    """Yield what Grain's iterator has; its thread ends with it, also where it is left before its end."""
    try:
        yield from batches
    finally:
        batches.close()
