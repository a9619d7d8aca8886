"""Logistic: logistic regression with three classes, softmax cross-entropy with integer labels, full batch.

From `numpy.random.default_rng(42)` come, in this order, x (standard normal, (points, features)), the labels (integers
below 3, (points,)), then the initial weight and bias (standard normal × 0.1); made in float64, cast to float32.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from bench.reference import derivative
from bench.reference.derivative import Arrays, Value, add, constant, cross_entropy, matmul
from bench.reference.inputs import Resident
from bench.reference.workload import Adam, Sgd, Work, Workload, frozen

SIZES: Final = {"tiny": (64, 8), "S": (4_096, 64), "M": (65_536, 256)}  # points, features
ON_CPU: Final = ("S",)
ON_CUDA: Final = ("M",)
OPTIMIZERS: Final[Mapping[str, Adam | Sgd]] = {"adam": Adam(learning_rate=0.01), "sgd": Sgd(learning_rate=0.1)}
CLASSES: Final = 3


def work(size: str) -> Work:
    """Return what one step amounts to: the products forward and by the weight; the inputs read once."""
    points, features = SIZES[size]
    product = 2 * points * features * CLASSES
    return Work(
        samples=points,
        flops=2 * product,
        bytes=4 * points * (features + 1),
        forward_flops=product,
        forward_bytes=4 * points * (features + CLASSES),
        footprint=4 * (points * (features + 1 + CLASSES) + 4 * features * CLASSES),
    )


def make(size: str, optimizer: str) -> Workload:
    """Return inputs x (points, features) and y (points,), parameters weight (features, 3) and bias (3,)."""
    points, features = SIZES[size]
    rng = np.random.default_rng(42)
    x = rng.standard_normal((points, features))
    y = rng.integers(CLASSES, size=points)
    return Workload(
        name="logistic",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=20,
        work=work(size),
        inputs=Resident(x=frozen(x), y=frozen(y, np.int32)),
        parameters={
            "weight": frozen(rng.standard_normal((features, CLASSES)) * 0.1),
            "bias": frozen(rng.standard_normal(CLASSES) * 0.1),
        },
        loss_and_gradient=derivative.of(_loss),
        gradient_tolerance=1e-4,
    )


def _loss(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    logits = add(matmul(constant(inputs["x"]), parameters["weight"]), parameters["bias"])  # (points, 3)
    return cross_entropy(logits, inputs["y"].astype(np.int64))
