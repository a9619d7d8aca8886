"""Linear regression, the common ground: y = 3x + 2 + noise, 200 points, mean squared error, full batch.

From `numpy.random.default_rng(42)` come, in this order, x (standard normal), the noise (standard normal × 0.1), then
the initial weight and bias (standard normal); made in float64, cast to float32. Least squares on these points gives
2.9919 and 2.0018: no training can come nearer to 3 and 2.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from bench.reference.inputs import Resident
from bench.reference.workload import Adam, Array64, Arrays64, Sgd, Work, Workload, frozen

SIZES: Final = {"base": 200}
ON_CPU: Final = ()  # no ladder: runs in every mode of every framework
ON_CUDA: Final = ()
OPTIMIZERS: Final[Mapping[str, Adam | Sgd]] = {"adam": Adam(learning_rate=0.1), "sgd": Sgd(learning_rate=0.1)}
SEED: Final = 42
WEIGHT: Final = 3.0
BIAS: Final = 2.0
NOISE: Final = 0.1
TOLERANCE: Final = 0.05


def make(size: str, optimizer: str) -> Workload:
    """Return the regression: inputs x and y of shape (n, 1), parameters weight (1, 1) and bias (1,).

    Raises:
        KeyError: no such size or optimizer.
    """
    points = SIZES[size]
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((points, 1))  # (n, 1)
    noise = rng.standard_normal((points, 1)) * NOISE  # (n, 1)
    weight = rng.standard_normal((1, 1))
    bias = rng.standard_normal(1)
    return Workload(
        name="regression",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=200,
        work=work(size),
        inputs=Resident(x=frozen(x), y=frozen(WEIGHT * x + BIAS + noise)),
        parameters={"weight": frozen(weight), "bias": frozen(bias)},
        truth={"weight": WEIGHT, "bias": BIAS},
        tolerance=TOLERANCE,
        predict=predict,
        loss_and_gradient=loss_and_gradient,
    )


def work(size: str) -> Work:
    """Return the work of one step: per point forward 2, residual 1, square and sum 2, gradient 2 and 1."""
    points = SIZES[size]
    return Work(
        samples=points,
        flops=8 * points,
        bytes=2 * 4 * points,
        forward_flops=2 * points,
        forward_bytes=2 * 4 * points,
        footprint=4 * 4 * points,
    )


def predict(parameters: Arrays64, inputs: Arrays64) -> Array64:
    """Return the line at x, shape (n, 1), in float64."""
    return np.asarray(inputs["x"] @ parameters["weight"] + parameters["bias"])


def loss_and_gradient(parameters: Arrays64, inputs: Arrays64) -> tuple[float, Arrays64]:
    """Return the mean squared error and its gradient, in float64."""
    x, y = inputs["x"], inputs["y"]  # (n, 1)
    residual = predict(parameters, inputs) - y  # (n, 1)
    slope = 2 * residual / residual.size  # (n, 1): d loss / d prediction
    return float(np.mean(residual**2)), {"weight": x.T @ slope, "bias": slope.sum(axis=0)}
