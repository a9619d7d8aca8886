"""JAX's own calls, jitted, for the limits of the device: product, convolution, memory traffic, smallest launch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from bench.frameworks._jax.device import chosen
from bench.interface import Probes, Task

ROUNDING: Final = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "default"}


def jax_probes() -> Probes:
    """Return them for the device that `start` has chosen."""
    launch = Task(_chained(jnp.ones(1), jax.jit(jnp.negative)), 1)
    return Probes(matmul=_product, triad=_triad, launch=launch, convolution=_convolution)


def _product(n: int, precision: str) -> Task | None:
    if precision == "tf32" and chosen().platform == "cpu":
        return None
    a, b = (_random((n, n), precision) for _ in range(2))
    product = jax.jit(partial(jnp.matmul, precision=ROUNDING[precision]))
    return Task(lambda: product(a, b), 2 * n**3)


def _convolution(batch: int, channels: int, precision: str) -> Task | None:
    if precision == "tf32" and chosen().platform == "cpu":
        return None
    x, weight = (_random(shape, precision) for shape in ((batch, 32, 32, channels), (3, 3, channels, channels)))
    layout: dict[str, Any] = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": ROUNDING[precision]}
    convolve = jax.jit(partial(jax.lax.conv_general_dilated, window_strides=(1, 1), padding="SAME", **layout))
    return Task(lambda: convolve(x, weight), 2 * 9 * channels**2 * batch * 32**2)


def _random(shape: Sequence[int], precision: str) -> jax.Array:
    numbers = np.random.default_rng(42).random(shape, np.float32)
    return jnp.asarray(numbers, jnp.bfloat16 if precision == "bfloat16" else jnp.float32)


def _triad(size: int) -> Task:
    """Return a += s·b, three passes over an array: XLA writes the sum into the donated a.

    b is an argument: one that the function closes over is a constant of the program, as large as the array, which XLA
    may fold.
    """
    b = jnp.ones(size // 8, jnp.float32)
    add = jax.jit(lambda a, b: a + np.float32(1e-6) * b, donate_argnums=0)
    return Task(_chained(jnp.zeros(size // 8, jnp.float32), lambda a: add(a, b)), size * 3 // 2)


def _chained(array: jax.Array, function: Callable[[jax.Array], jax.Array]) -> Callable[[], jax.Array]:
    """Return calls of `function`, each on the result of the call before, so that waiting for the last is enough."""

    def call() -> jax.Array:
        nonlocal array
        array = function(array)
        return array

    return call
