"""Parquet by pyarrow: batches of rows from its own reader, decoded and augmented here, as an iterable dataset."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet
import torch
from torch.utils.data import IterableDataset

from bench.data import augment, records
from bench.data.dataset import Dataset


class Rows(IterableDataset[Any]):  # type: ignore[misc]
    """The batches of an epoch, in the files' order; `epoch`, one integer, says which."""

    def __init__(self, data: Dataset, batch: int, seed: int, epoch: torch.Tensor) -> None:
        self.data, self.batch, self.seed, self.epoch = data, batch, seed, epoch

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        first = 0
        for shard in self.data.shards("parquet"):
            with pyarrow.parquet.ParquetFile(shard) as file:
                for rows in file.iter_batches(self.batch, use_threads=False):
                    x = np.stack([records.inflated(stream) for stream in rows["image"].to_pylist()])
                    chosen = augment.choices(self.seed, int(self.epoch), first, len(x))
                    yield torch.from_numpy(augment.apply(x, chosen)), torch.tensor(rows["label"].to_numpy())
                    first += len(x)
