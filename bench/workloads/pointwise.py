"""Pointwise chain: four blocks of bias, GELU, residual and layer norm, mean squared error: the case for fusion.

    h = x;  four times:  h = gelu(h + bias) + h;  h = normalize(h) · gain + shift;  loss = mean((h - y)²)

GELU is its tanh approximation, ε of the layer norm 1e-5. From `numpy.random.default_rng(42)` come, in this order, x and
y (standard normal, (rows, width)), then for each block bias (normal × 0.1), gain (1 + normal × 0.1) and shift (normal ×
0.1), each (width,); made in float64, cast to float32.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from bench.records.record import FORWARD_ONLY
from bench.reference import derivative
from bench.reference.derivative import Arrays, Value, add, constant, gelu, mean_square, multiply, normalize, subtract
from bench.reference.inputs import Resident
from bench.reference.workload import Adam, Sgd, Work, Workload, frozen

SIZES: Final = {  # rows, width
    "tiny": (16, 32),
    "S": (256, 256),
    "M": (1_024, 1_024),
    "L": (8_192, 1_024),
    "XL": (65_536, 2_048),
}
ON_CPU: Final = ("S", "M")
ON_CUDA: Final = ("M", "L", "XL")
OPTIMIZERS: Final[Mapping[str, Adam | Sgd | None]] = {
    "adam": Adam(learning_rate=0.001),
    "sgd": Sgd(learning_rate=0.1),
    FORWARD_ONLY: None,
}
SEED: Final = 42
BLOCKS: Final = ("block1", "block2", "block3", "block4")
EPSILON: Final = 1e-5


def make(size: str, optimizer: str) -> Workload:
    """Return inputs x and y (rows, width), parameters "block1.bias", "block1.norm.gain" (width,) and on.

    Raises:
        KeyError: no such size or optimizer.
    """
    rows, width = SIZES[size]
    rng = np.random.default_rng(SEED)
    x, y = rng.standard_normal((rows, width)), rng.standard_normal((rows, width))
    parameters = {}
    for block in BLOCKS:
        parameters[f"{block}.bias"] = frozen(rng.standard_normal(width) * 0.1)
        parameters[f"{block}.norm.gain"] = frozen(1 + rng.standard_normal(width) * 0.1)
        parameters[f"{block}.norm.shift"] = frozen(rng.standard_normal(width) * 0.1)
    return Workload(
        name="pointwise",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=20,
        work=work(size),
        inputs=Resident(x=frozen(x), y=frozen(y)),
        parameters=parameters,
        predict=derivative.values(_predict),
        loss_and_gradient=derivative.of(_loss),
        gradient_tolerance=1e-4,
        parameter_tolerance=2e-2,  # the most that 20 steps of Adam change: where a gradient is rounding, runs differ
    )


def work(size: str) -> Work:
    """Return the work of one step.

    Per element and block, about 25 operations forward (GELU 10, layer norm 10) and twice that backward. The inputs are
    read once: the rest could stay in registers and caches, row by row. Forward alone reads x and writes as much.
    """
    rows, width = SIZES[size]
    elements = rows * width
    return Work(
        samples=rows,
        flops=75 * len(BLOCKS) * elements,
        bytes=4 * 2 * elements,
        forward_flops=25 * len(BLOCKS) * elements,
        forward_bytes=4 * 2 * elements,
        footprint=4 * elements * (2 + len(BLOCKS)),
    )


def _predict(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    h = constant(inputs["x"])
    for block in BLOCKS:
        h = add(gelu(add(h, parameters[f"{block}.bias"])), h)
        h = add(multiply(normalize(h, EPSILON), parameters[f"{block}.norm.gain"]), parameters[f"{block}.norm.shift"])
    return h


def _loss(parameters: Mapping[str, Value], inputs: Arrays) -> Value:
    return mean_square(subtract(_predict(parameters, inputs), constant(inputs["y"])))
