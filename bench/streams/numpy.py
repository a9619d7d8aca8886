"""NumPy: the plain reference, files read and decoded by hand, in the loop itself or one batch ahead in a thread."""

import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.data import augment, records
from bench.data.dataset import NPY_HEADER, Dataset
from bench.data.images import SHAPE, Images, Labels
from bench.frameworks.numpy import AdamState
from bench.interface import Skip
from bench.reference.workload import Adam, Array32, Workload
from bench.streams import CENTRE, Batches, Pipeline, Trainer

PIPELINES = {
    "memory": "slices of arrays in memory, augmented a batch at a time",
    "memmap-plain": "the files read into one buffer, batch by batch, and not augmented: what reading alone takes",
    "memmap": "slices of memory-mapped files, augmented a batch at a time",
    "records-0": "records read in blocks and decoded one after the other, in the loop itself",
    "records-thread": "the same in a thread, two batches ahead; zlib lets go of Python's lock",
}
PLAIN = ("memmap-plain",)
AHEAD: Final = 2  # batches

Batch = tuple[Images, Labels]


def pipeline(data: Dataset, mode: str, batch: int, seed: int) -> Pipeline | Skip:
    """Return the pipeline `mode`."""
    if mode == "memory":
        held = data.arrays()
        return Pipeline(epoch=lambda number: _augmented(_slices([held], batch), seed, number))
    if mode == "memmap-plain":
        return Pipeline(epoch=lambda number: _read(data, batch))
    if mode == "memmap":
        return Pipeline(epoch=lambda number: _augmented(_slices(data.mapped(), batch), seed, number))
    if mode == "records-0":
        return Pipeline(epoch=lambda number: _augmented(_decoded(data, batch), seed, number))
    return Pipeline(epoch=lambda number: _ahead(_augmented(_decoded(data, batch), seed, number)))


def _slices(shards: Iterable[tuple[NDArray[np.uint8], NDArray[np.int32]]], batch: int) -> Iterator[Batch]:
    for x, y in shards:
        for first in range(0, len(y), batch):
            yield x[first : first + batch], y[first : first + batch]


def _read(data: Dataset, batch: int) -> Iterator[Batch]:
    """Yield batches as they are read, each into the same memory."""
    buffer = np.empty((batch, *SHAPE), np.uint8)
    into = [buffer.data.cast("B")]
    for images, labels in zip(data.shards("images"), data.shards("labels"), strict=True):
        targets = np.load(labels)
        descriptor = os.open(images, os.O_RDONLY)
        try:
            os.lseek(descriptor, NPY_HEADER, os.SEEK_SET)
            for first in range(0, len(targets), batch):
                os.readv(descriptor, into)  # of the last one as much as there is
                found = targets[first : first + batch]
                yield (buffer if len(found) == batch else buffer[: len(found)]), found
        finally:
            os.close(descriptor)


def _decoded(data: Dataset, batch: int) -> Iterator[Batch]:
    x, y, at = np.empty((batch, *SHAPE), np.uint8), np.empty(batch, np.int32), 0
    for shard in data.shards("records"):
        for payload in records.payloads(shard):
            x[at], y[at] = records.decoded(payload)
            at += 1
            if at == batch:
                yield x, y.copy()  # of x the augmentation makes a copy
                at = 0
    if at:
        yield x[:at], y[:at].copy()


def _augmented(batches: Iterable[Batch], seed: int, epoch: int) -> Iterator[Batch]:
    first = 0
    for x, y in batches:
        yield augment.apply(x, augment.choices(seed, epoch, first, len(y))), y
        first += len(y)


def _ahead(batches: Iterator[Batch]) -> Batches:
    """Yield what `batches` yields, made in a thread; an error in it is raised here."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(AHEAD)
    is_left = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not is_left.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for batch in batches:
                put(batch)
                if is_left.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001  (it is raised in the loop)
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_left.set()
        thread.join()


def trainer(workload: Workload) -> Trainer | Skip:
    """Return the step of the mlp, its gradient written by hand; there is none of the convnet."""
    if workload.name != "mlp":
        return Skip(f"NumPy has no step of the {workload.name}: no convolution")
    assert isinstance(workload.optimizer, Adam)
    p = {name: array.copy() for name, array in workload.parameters.items()}
    update = AdamState(workload.optimizer, p)

    def step(x: Images, y: Labels) -> Array32:
        loss, gradient = _mlp(
            (x.reshape(len(x), -1).astype(np.float32) - np.float32(CENTRE)) / np.float32(CENTRE), y, p
        )
        update.apply(gradient)
        return loss

    return Trainer(step=step, parameters=lambda: {name: array.copy() for name, array in p.items()})


def _mlp(x: Array32, y: Labels, p: Mapping[str, Array32]) -> tuple[Array32, Mapping[str, Array32]]:
    """Return the mean cross-entropy and its gradient by every parameter."""
    hidden = [x]
    for name in ("layer1", "layer2"):
        hidden.append(np.maximum(hidden[-1] @ p[f"{name}.weight"] + p[f"{name}.bias"], 0))
    logits = hidden[-1] @ p["layer3.weight"] + p["layer3.bias"]  # (n, 10)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    loss = np.asarray(np.mean(log_sum[:, 0] - shifted[rows, y]))
    slope = np.exp(shifted - log_sum)
    slope[rows, y] -= 1
    slope /= np.float32(len(y))
    gradient: dict[str, Array32] = {}
    for name, h in zip(("layer3", "layer2", "layer1"), reversed(hidden), strict=True):
        gradient[f"{name}.weight"], gradient[f"{name}.bias"] = h.T @ slope, slope.sum(axis=0)
        if name != "layer1":
            slope = (slope @ p[f"{name}.weight"].T) * (h > 0)
    return loss, gradient
