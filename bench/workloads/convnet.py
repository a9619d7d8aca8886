"""Convnet: a small residual network on images of three channels, ReLU, softmax cross-entropy with integer labels.

    stem: 3 x 3 convolution to c channels, ReLU
    twice: residual block at c channels, then (first time only) the mean of each 2 x 2 and a convolution to 2 c, ReLU
    head: the mean over the image, a linear layer to 10 classes

A residual block is relu(h + convolution(relu(convolution(h)))). No batch norm: its running statistics are updated by
other rules in each framework. No stride: frameworks place the padding of a strided convolution differently.

From `numpy.random.default_rng(42)` come, in this order, x (standard normal, (batch, height, width, 3)), the labels
(integers below 10, (batch,)), then each layer's weight (normal with standard deviation √(2 / inputs), He et al. 2015; a
convolution's is (3, 3, inputs, outputs), the last of a block at half that) and bias (normal × 0.01).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.records.record import FORWARD_ONLY
from bench.reference import derivative
from bench.reference.derivative import (
    Arrays,
    Value,
    add,
    constant,
    convolve,
    cross_entropy,
    matmul,
    mean,
    relu,
    reshape,
)
from bench.reference.inputs import Resident
from bench.reference.workload import RELU_GRADIENT_TOLERANCE, Adam, Sgd, Work, Workload, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The dimensions that set how large the workload is."""

    batch: int
    channels: int  # c
    image: int = 32  # height and width


SIZES: Final = {
    "tiny": Size(batch=4, channels=4, image=8),
    "S": Size(batch=32, channels=16),
    "M": Size(batch=128, channels=32),
    "L": Size(batch=512, channels=64),
    "XL": Size(batch=1024, channels=128),
}
ON_CPU: Final = ("S", "M")
ON_CUDA: Final = ("M", "L", "XL")
OPTIMIZERS: Final[Mapping[str, Adam | Sgd | None]] = {
    "adam": Adam(learning_rate=0.001),
    "sgd": Sgd(learning_rate=0.05),
    FORWARD_ONLY: None,
}
SEED: Final = 42
INFERS: Final = True
COLOURS: Final = 3
CLASSES: Final = 10


def make(size: str, optimizer: str) -> Workload:
    """Return inputs x (batch, image, image, 3) and y (batch,), parameters "stem.weight" (3, 3, 3, c) and on.

    Raises:
        KeyError: no such size or optimizer.
    """
    batch, image = SIZES[size].batch, SIZES[size].image
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((batch, image, image, COLOURS))
    y = rng.integers(CLASSES, size=batch)
    layers = _layers(size)
    parameters = {}
    for name, (shape, _) in layers.items():
        scale = np.sqrt(2 / np.prod(shape[:-1])) * (0.5 if name.endswith("second") else 1)
        parameters[f"{name}.weight"] = frozen(rng.standard_normal(shape) * scale)
        parameters[f"{name}.bias"] = frozen(rng.standard_normal(shape[-1]) * 0.01)
    return Workload(
        name="convnet",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=20,
        work=work(size),
        inputs=Resident(x=frozen(x), y=frozen(y, np.int32)),
        parameters=parameters,
        predict=derivative.values(_predict),
        loss_and_gradient=derivative.of(_loss),
        gradient_tolerance=RELU_GRADIENT_TOLERANCE,
        loss_tolerance=1e-3,
        parameter_tolerance=2e-2,  # the most that 20 steps of Adam change: where a gradient is rounding, runs differ
    )


streamed = make  # its images have the shape of those that are streamed, from size S on


def _layers(size: str) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return each layer's shape of the weight, and the pixels of its result."""
    c, image = SIZES[size].channels, SIZES[size].image
    return {
        "stem": ((3, 3, COLOURS, c), image**2),
        "block1.first": ((3, 3, c, c), image**2),
        "block1.second": ((3, 3, c, c), image**2),
        "down": ((3, 3, c, 2 * c), image**2 // 4),
        "block2.first": ((3, 3, 2 * c, 2 * c), image**2 // 4),
        "block2.second": ((3, 3, 2 * c, 2 * c), image**2 // 4),
        "head": ((2 * c, CLASSES), 1),
    }


def work(size: str) -> Work:
    """Return the work of one step.

    Operations of the products alone: forward, by the weights, and by the input of each layer except the first. Inputs
    are read once; parameters are read, then read and written with their gradient and Adam's moments. Forward alone
    reads inputs and parameters and writes the logits.
    """
    batch, image = SIZES[size].batch, SIZES[size].image
    layers = _layers(size).values()
    products = [int(np.prod(shape)) * pixels for shape, pixels in layers]
    numbers = sum(int(np.prod(shape)) + shape[-1] for shape, _ in layers)
    results = sum(shape[-1] * pixels for shape, pixels in layers)
    return Work(
        samples=batch,
        flops=2 * batch * (3 * sum(products) - products[0]),
        bytes=4 * (batch * image**2 * COLOURS + 8 * numbers),
        forward_flops=2 * batch * sum(products),
        forward_bytes=4 * (batch * (image**2 * COLOURS + CLASSES) + numbers),
        footprint=4 * (batch * (image**2 * COLOURS + results) + 4 * numbers),
        parameters=numbers,
    )


def _predict(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    def convolution(layer: str, h: Value) -> Value:
        return add(convolve(h, parameters[f"{layer}.weight"]), parameters[f"{layer}.bias"])

    def block(name: str, h: Value) -> Value:
        return relu(add(h, convolution(f"{name}.second", relu(convolution(f"{name}.first", h)))))

    h = block("block1", relu(convolution("stem", constant(inputs["x"]))))
    n, height, width, channels = h.array.shape
    halves = mean(reshape(h, (n, height // 2, 2, width // 2, 2, channels)), (2, 4))
    h = block("block2", relu(convolution("down", halves)))
    return add(matmul(mean(h, (1, 2)), parameters["head.weight"]), parameters["head.bias"])


def _loss(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    return cross_entropy(_predict(parameters, inputs), inputs["y"].astype(np.int64))
