"""NumPy's own calls for the limits of the processor: product, memory traffic, smallest call."""

import numpy as np

from bench.interface import Probes, Task


def numpy_probes() -> Probes:
    """Return them."""
    element = np.ones(1, np.float32)
    return Probes(matmul=_product, triad=_triad, launch=Task(lambda: np.negative(element, out=element), 1))


def _product(n: int, precision: str) -> Task | None:
    if precision != "float32":
        return None
    a, b = np.random.default_rng(42).random((2, n, n), np.float32)
    product = np.empty_like(a)
    return Task(lambda: np.matmul(a, b, out=product), 2 * n**3)


def _triad(size: int) -> Task:
    """Return a += b, three passes over an array: NumPy has no call that scales as well."""
    a, b = np.ones((2, size // 8), np.float32)
    return Task(lambda: np.add(a, b, out=a), size * 3 // 2)
