"""Where JAX computes: the platform, what its allocator says, how results reach NumPy, and the versions."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

import jax
import numpy as np

from bench.interface import Output
from bench.records.record import Allocator
from bench.reference.workload import Array64

OTHER_POLICIES: Final = {"XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_ALLOCATOR"}  # variables that choose another one
MOST_GROWN: Final = 8  # times what was in use, which a pool that grows does not reach
FIRST_REGION: Final = 16 << 20  # several times the first region of such a pool
SMALL: Final = 0.1  # of the limit: a pool taken whole is not so small, unless others hold nine tenths of the GPU


def start(device: str, threads: int) -> None:
    """Choose the platform and strict float32 (no TF32); the thread count comes from the environment."""
    jax.config.update("jax_default_matmul_precision", "float32")
    if device == "cpu":  # its first device needs no name, and a call takes 0.7 µs more where there is a default
        jax.config.update("jax_platforms", "cpu")
    else:
        jax.config.update("jax_default_device", jax.devices(device)[0])  # RuntimeError where there is none


def chosen() -> jax.Device:
    """Return the device that is computed on."""
    device: jax.Device = jax.config.jax_default_device or jax.local_devices()[0]
    return device


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,), or the last predictions, shape (n,)."""
    kept = outputs[-1:] if outputs[-1].ndim > 1 else outputs  # losses have no columns
    return np.asarray(jax.device_get(list(kept)), dtype=np.float64).ravel()


def memory() -> Allocator:
    """Return the allocator's statistics; XLA keeps none on the CPU, nor of CUDA's own allocation ("platform")."""
    device = chosen()
    statistics = device.memory_stats()
    if statistics is None:
        what = "of this allocator" if device.platform == "gpu" else "but of its GPU allocators; this is the CPU"
        return Allocator(why=f"XLA keeps no statistics {what}")
    known = {name: value for name, value in statistics.items() if value >= 0}  # PJRT writes -1 for unknown
    return Allocator(
        policy=_policy(known),
        allocated_bytes=known.get("bytes_in_use"),
        allocated_peak_bytes=known.get("peak_bytes_in_use"),
        reserved_bytes=known.get("pool_bytes"),
        reserved_peak_bytes=known.get("peak_pool_bytes"),
        requests=known.get("num_allocs"),
        largest_free_bytes=known.get("largest_free_block_bytes"),
        why="XLA does not count how often it asks the device for memory",
    )


def _policy(statistics: Mapping[str, int]) -> str:
    """Return the policy as the pool shows it: whole from its first use, or growing; empty where it shows neither.

    XLA's BFC allocator (xla/tsl/framework/bfc_allocator.cc) takes the whole limit at its first use, rounded down to 256
    bytes, and where the device has less, 0.9 of that, again and again. A pool that grows begins with 2 MiB and takes
    twice as much each time, when a request does not fit: it stays within a few times what was in use. So a pool far
    above its use was taken whole, and a small one that is not has grown. Of others it cannot be told.
    """
    pool, limit, used = (statistics.get(name) for name in ("pool_bytes", "bytes_limit", "peak_bytes_in_use"))
    if not pool or not limit or used is None or OTHER_POLICIES & set(os.environ):
        return ""
    if pool > MOST_GROWN * used + FIRST_REGION:
        return "default"
    return "no_preallocation" if pool < limit * SMALL else ""


def empty_cache() -> bool:
    """XLA has no call for it."""
    return False


def versions() -> Sequence[str]:
    """JAX, and the XLA it brings."""
    return (f"jax=={jax.__version__}", f"jaxlib=={jax.lib.__version__}", f"numpy=={np.__version__}")
