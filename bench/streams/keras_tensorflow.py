"""Keras on TensorFlow: a `keras.utils.PyDataset` or `tf.data`, and `train_on_batch`.

The model begins with a layer that scales the pixels, as Keras' guides advise.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from bench.data import augment
from bench.data.dataset import Dataset, RecordReader
from bench.data.images import SHAPE, Images, Labels
from bench.frameworks._keras.models import FORWARD
from bench.frameworks._keras.optimizers import optimizer_of
from bench.interface import Skip
from bench.reference.workload import Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer, tensorflow

PIPELINES = {
    "memory": "tf.data: from_tensor_slices, batch, then augmentation of a whole batch, prefetch 2",
    "memory-pydataset": "a keras.utils.PyDataset over arrays in memory, augmented a batch at a time by NumPy",
    "records-batch-autotune": "tf.data: TFRecordDataset, batch, decoding and augmentation of whole batches, AUTOTUNE",
    "records-pydataset": "a keras.utils.PyDataset over records, decoded by Python's zlib, augmented by NumPy",
}

Batch = tuple[Images, Labels]


class _Epoch(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch; which, is set before it."""

    def __init__(self, data: Dataset, batch: int, seed: int) -> None:
        super().__init__()
        self.samples, self.batch, self.seed = data.samples, batch, seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.samples // self.batch)

    def stored(self, first: int, count: int) -> Batch:
        """Return samples as they are stored."""
        raise NotImplementedError

    def __getitem__(self, number: int) -> Batch:
        first = number * self.batch
        x, y = self.stored(first, min(self.batch, self.samples - first))
        return augment.apply(x, augment.choices(self.seed, self.epoch, first, len(y))), y


class _Arrays(_Epoch):
    def __init__(self, data: Dataset, batch: int, seed: int) -> None:
        super().__init__(data, batch, seed)
        self.x, self.y = data.arrays()

    def stored(self, first: int, count: int) -> Batch:
        return self.x[first : first + count], self.y[first : first + count]


class _Records(_Epoch):
    def __init__(self, data: Dataset, batch: int, seed: int) -> None:
        super().__init__(data, batch, seed)
        self.reader = RecordReader(data)

    def stored(self, first: int, count: int) -> Batch:
        found = [self.reader.sample(index) for index in range(first, first + count)]
        return np.stack([image for image, _ in found]), np.array([label for _, label in found], np.int32)


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the pipeline `mode`; those of tf.data are TensorFlow's of the same name."""
    if not mode.endswith("pydataset"):
        return tensorflow.pipeline(data, mode, batch, seed)
    batches = (_Arrays if mode.startswith("memory") else _Records)(data, batch, seed)

    def epoch(number: int) -> Batches:
        batches.epoch = number
        return _in_order(batches)

    return Pipeline(epoch=epoch)


def _in_order(batches: _Epoch) -> Iterator[Batch]:
    return (batches[number] for number in range(len(batches)))


def trainer(workload: Workload) -> Trainer | Skip:
    """Return train_on_batch under compile() as it comes; it returns the loss as a number, so it waits."""
    model = FORWARD[workload.name].model(workload)
    model.set_weights(list(workload.parameters.values()))
    shape = workload.batch.x.shape[1:]
    whole: Any = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Rescaling(1 / CENTRE, offset=-1.0),
            keras.layers.Reshape(shape),
            model,
        ]
    )
    whole.compile(optimizer=optimizer_of(workload.optimizer), loss=FORWARD[workload.name].loss)

    def parameters() -> dict[str, Any]:
        return dict(zip(workload.parameters, model.get_weights(), strict=True))

    return Trainer(step=whole.train_on_batch, parameters=parameters)
