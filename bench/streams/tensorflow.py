"""TensorFlow: `tf.data`, its own reader of records, and the step as one `tf.function`.

The flips and crops of an epoch are a table in a variable, from which the pipeline takes those of each index: the graph
of the pipeline is built once for all epochs.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf

from bench.data import augment
from bench.data.augment import PAD
from bench.data.dataset import Dataset
from bench.data.images import PIXELS, SHAPE, SIDE
from bench.data.records import STREAM_BYTES
from bench.frameworks._keras.optimizers import optimizer_of
from bench.frameworks._tensorflow.forward import arrays_of
from bench.frameworks._tensorflow.models import FORWARD
from bench.interface import Skip
from bench.reference.workload import Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer

PIPELINES = {
    "memory": "from_tensor_slices, batch, then augmentation of a whole batch, prefetch 2",
    "records-0": "TFRecordDataset, decoded and augmented one by one (map), batch, prefetch 2",
    "records-2-calls": "the same with two parallel calls of map",
    "records-autotune": "the same with parallel calls and prefetch by AUTOTUNE",
    "records-batch-0": "TFRecordDataset, batch, then decoding and augmentation of whole batches, prefetch 2",
    "records-batch-autotune": "the same with parallel calls and prefetch by AUTOTUNE",
}
CALLS: Final = {"records-2-calls": 2, "records-autotune": tf.data.AUTOTUNE, "records-batch-autotune": tf.data.AUTOTUNE}

Tensor = Any


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the pipeline `mode`; its order is the files'."""
    table = tf.Variable(augment.choices(seed, 0, 0, data.samples), trainable=False)  # (samples, 3)
    calls = CALLS.get(mode)
    if mode == "memory":
        found = tf.data.Dataset.from_tensor_slices(data.arrays()).batch(batch).enumerate()
        found = found.map(lambda number, xy: (_all_augmented(xy[0], _rows(table, number, batch, xy[1])), xy[1]))
    else:
        stored = tf.data.TFRecordDataset([str(path) for path in data.shards("records")])
        if mode.startswith("records-batch"):
            found = stored.batch(batch).enumerate().map(_all_decoded(table, batch), num_parallel_calls=calls)
        else:
            found = stored.enumerate().map(_decoded(table), num_parallel_calls=calls).batch(batch)
    options = tf.data.Options()
    options.deterministic = True
    found = found.prefetch(tf.data.AUTOTUNE if calls == tf.data.AUTOTUNE else 2).with_options(options)

    def epoch(number: int) -> Batches:
        table.assign(augment.choices(seed, number, 0, data.samples))
        return iter(found)

    return Pipeline(epoch=epoch)


def _decoded(table: Tensor) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def one(index: Tensor, payload: Tensor) -> tuple[Tensor, Tensor]:
        label = tf.io.decode_raw(tf.strings.substr(payload, 0, 1), tf.uint8)[0]
        pixels = tf.io.decode_raw(tf.io.decode_compressed(tf.strings.substr(payload, 1, -1), "ZLIB"), tf.uint8)
        chosen = tf.gather(table, index)
        padded = tf.pad(tf.reshape(pixels, SHAPE), ((PAD, PAD), (PAD, PAD), (0, 0)))
        window = tf.slice(padded, tf.stack((chosen[0], chosen[1], 0)), SHAPE)
        return tf.where(chosen[2] == 1, tf.reverse(window, (1,)), window), tf.cast(label, tf.int32)

    return one


def _all_decoded(table: Tensor, batch: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def whole(number: Tensor, payloads: Tensor) -> tuple[Tensor, Tensor]:
        ones = tf.ones(tf.shape(payloads), tf.int32)
        labels = tf.io.decode_raw(tf.strings.substr(payloads, ones - 1, ones), tf.uint8)[:, 0]
        streams = tf.strings.substr(payloads, ones, ones * STREAM_BYTES)
        pixels = tf.io.decode_raw(tf.io.decode_compressed(streams, "ZLIB"), tf.uint8, fixed_length=PIXELS)
        images = tf.reshape(pixels, (-1, *SHAPE))
        return _all_augmented(images, _rows(table, number, batch, labels)), tf.cast(labels, tf.int32)

    return whole


def _rows(table: Tensor, number: Tensor, batch: int, labels: Tensor) -> Tensor:
    """Return the choices of the batch with this number, (n, 3)."""
    first = number * batch
    return tf.gather(table, tf.range(first, first + tf.size(labels, tf.int64)))


def _all_augmented(images: Tensor, chosen: Tensor) -> Tensor:
    """Return the augmented images, (n, 32, 32, 3), by two gathers: of rows, then of columns."""
    padded = tf.pad(images, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
    along = tf.range(SIDE)[None]
    rows = chosen[:, :1] + along
    columns = chosen[:, 1:2] + tf.where(chosen[:, 2:] == 1, SIDE - 1 - along, along)
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def trainer(workload: Workload) -> Trainer | Skip:
    """Return the step with Keras' optimiser as one tf.function."""
    forward = FORWARD[workload.name]
    parameters = {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}
    variables = list(parameters.values())
    optimizer = optimizer_of(workload.optimizer)
    optimizer.build(variables)
    shape = workload.batch.x.shape[1:]

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=(tf.TensorSpec((None, *SHAPE), tf.uint8), tf.TensorSpec((None,), tf.int32))
    )
    def step(x: Tensor, y: Tensor) -> Tensor:
        scaled = tf.reshape((tf.cast(x, tf.float32) - CENTRE) / CENTRE, (-1, *shape))
        with tf.GradientTape() as tape:
            loss = forward.loss(forward.predict(parameters, scaled), y)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return Trainer(step=step, parameters=lambda: {name: np.array(p) for name, p in arrays_of(parameters).items()})
