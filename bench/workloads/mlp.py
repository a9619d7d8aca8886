"""Multilayer perceptron: 784-h-h-10, ReLU, softmax cross-entropy with integer labels, one batch.

From `numpy.random.default_rng(42)` come, in this order, x (standard normal, (batch, 784)), the labels (integers below
10, (batch,)), then each layer's weight (normal with standard deviation √(2 / inputs), He et al. 2015; (inputs,
outputs)) and bias (normal × 0.01); made in float64, cast to float32.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.records.record import FORWARD_ONLY
from bench.reference import derivative
from bench.reference.derivative import Arrays, Value, add, constant, cross_entropy, matmul, relu
from bench.reference.inputs import Resident
from bench.reference.workload import RELU_GRADIENT_TOLERANCE, Adam, Sgd, Work, Workload, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The dimensions that set how large the workload is."""

    hidden: int
    batch: int


SIZES: Final = {
    "tiny": Size(hidden=32, batch=16),
    "S": Size(hidden=128, batch=64),
    "M": Size(hidden=512, batch=256),
    "L": Size(hidden=2048, batch=1024),
    "XL": Size(hidden=8192, batch=8192),
}
ON_CPU: Final = ("S", "M")
ON_CUDA: Final = ("M", "L", "XL")
OPTIMIZERS: Final[Mapping[str, Adam | Sgd | None]] = {
    "adam": Adam(learning_rate=0.001),
    "sgd": Sgd(learning_rate=0.1),
    FORWARD_ONLY: None,
}
SEED: Final = 42
INFERS: Final = True
INPUTS: Final = 784
STREAMED_INPUTS: Final = 32 * 32 * 3  # of the images that are streamed, flattened
CLASSES: Final = 10
LAYERS: Final = ("layer1", "layer2", "layer3")


def make(size: str, optimizer: str) -> Workload:
    """Return inputs x (batch, 784) and y (batch,), parameters "layer1.weight" (784, h), "layer1.bias" (h,) and on.

    Raises:
        KeyError: no such size or optimizer.
    """
    return _make(size, optimizer, INPUTS)


def streamed(size: str, optimizer: str) -> Workload:
    """Return it for images of 32 × 32 × 3: x (batch, 3072); else as `make`."""
    return _make(size, optimizer, STREAMED_INPUTS)


def _make(size: str, optimizer: str, width: int) -> Workload:
    hidden, batch = SIZES[size].hidden, SIZES[size].batch
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((batch, width))
    y = rng.integers(CLASSES, size=batch)
    widths = (width, hidden, hidden, CLASSES)
    parameters = {}
    for name, before, after in zip(LAYERS, widths[:-1], widths[1:], strict=True):
        parameters[f"{name}.weight"] = frozen(rng.standard_normal((before, after)) * np.sqrt(2 / before))
        parameters[f"{name}.bias"] = frozen(rng.standard_normal(after) * 0.01)
    return Workload(
        name="mlp",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=20,
        work=_work(size, width),
        inputs=Resident(x=frozen(x), y=frozen(y, np.int32)),
        parameters=parameters,
        predict=derivative.values(_predict),
        loss_and_gradient=derivative.of(_loss),
        gradient_tolerance=RELU_GRADIENT_TOLERANCE,
        loss_tolerance=1e-3,
        parameter_tolerance=2e-2,  # the most that 20 steps of Adam change: where a gradient is rounding, runs differ
    )


def work(size: str) -> Work:
    """Return the work of one step.

    Operations of the products alone: forward, by the weights, and by the input of each layer except the first. Inputs
    are read once; parameters are read, then read and written with their gradient and Adam's moments. Forward alone
    reads inputs and parameters and writes the logits.
    """
    return _work(size, INPUTS)


def _work(size: str, width: int) -> Work:
    hidden, batch = SIZES[size].hidden, SIZES[size].batch
    widths = (width, hidden, hidden, CLASSES)
    products = sum(before * after for before, after in itertools.pairwise(widths))
    numbers = products + sum(widths[1:])
    return Work(
        samples=batch,
        flops=2 * batch * (3 * products - width * hidden),
        bytes=4 * (batch * width + 8 * numbers),
        forward_flops=2 * batch * products,
        forward_bytes=4 * (batch * (width + CLASSES) + numbers),
        footprint=4 * (batch * sum(widths) + 4 * numbers),
        parameters=numbers,
    )


def _predict(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    at = constant(inputs["x"])
    for name in LAYERS:
        at = add(matmul(at, parameters[f"{name}.weight"]), parameters[f"{name}.bias"])
        if name != LAYERS[-1]:
            at = relu(at)
    return at


def _loss(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    return cross_entropy(_predict(parameters, inputs), inputs["y"].astype(np.int64))
