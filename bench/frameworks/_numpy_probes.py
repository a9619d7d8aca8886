"""NumPy's calls for the limits of the machine: product, traffic, emptiest launch."""

import numpy as np

from bench.interface import Probes, Task


def probes() -> Probes:
    """Return NumPy's own calls for the limits of the processor."""
    one = np.ones(1, np.float32)
    return Probes(matmul=_product, triad=_triad, launch=Task(lambda: np.negative(one, out=one), 1))


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
