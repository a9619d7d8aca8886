"""Wide linear regression: n points of d features, mean squared error, full batch: from launches to bandwidth.

From `numpy.random.default_rng(42)` come, in this order, x (standard normal, (n, d)), the true weight (normal with
variance 1 / d, (d, 1)), the noise (standard normal × 0.1, (n, 1)), then the initial weight (normal with variance 1 / d)
and bias (standard normal); y = x · weight + 2 + noise; made in float64, cast to float32.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from bench.reference.inputs import Resident
from bench.reference.workload import Adam, Sgd, Work, Workload, frozen
from bench.workloads.regression import loss_and_gradient

SIZES: Final = {  # points, features
    "tiny": (200, 1),
    "S": (2_000, 8),
    "M": (20_000, 32),
    "L": (200_000, 64),
    "XL": (1_000_000, 128),
    "widest": (65_536, 4_096),
}
ON_CPU: Final = ("S", "M")
ON_CUDA: Final = ("M", "L", "XL", "widest")
OPTIMIZERS: Final[Mapping[str, Adam | Sgd]] = {"adam": Adam(learning_rate=0.01), "sgd": Sgd(learning_rate=0.1)}
SEED: Final = 42
BIAS: Final = 2.0
NOISE: Final = 0.1


def make(size: str, optimizer: str) -> Workload:
    """Return inputs x (n, d) and y (n, 1), parameters weight (d, 1) and bias (1,).

    Raises:
        KeyError: no such size or optimizer.
    """
    points, features = SIZES[size]
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((points, features))
    truth = rng.standard_normal((features, 1)) / np.sqrt(features)
    noise = rng.standard_normal((points, 1)) * NOISE
    weight = rng.standard_normal((features, 1)) / np.sqrt(features)
    bias = rng.standard_normal(1)
    return Workload(
        name="regression_wide",
        size=size,
        update=OPTIMIZERS[optimizer],
        steps=20,
        work=work(size),
        inputs=Resident(x=frozen(x), y=frozen(x @ truth + BIAS + noise)),
        parameters={"weight": frozen(weight), "bias": frozen(bias)},
        loss_and_gradient=loss_and_gradient,
        gradient_tolerance=1e-4,
    )


def work(size: str) -> Work:
    """Return the work of one step.

    Per point and feature, 2 operations forward and 2 for the gradient. The inputs are read once: one pass over the rows
    can compute the gradient too.
    """
    points, features = SIZES[size]
    return Work(
        samples=points,
        flops=points * (4 * features + 4),
        bytes=4 * points * (features + 1),
        forward_flops=2 * points * features,
        forward_bytes=4 * points * (features + 1),
        footprint=4 * (points * (features + 3) + 4 * features),
    )
