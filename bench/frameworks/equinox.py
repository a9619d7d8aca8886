"""Equinox: with Optax, a model is a Python object and a tree of arrays at once, filtered by what is an array.

`filter_jit` waits for each call to end, since it looks for errors that were raised in it. The caches on disk are those
of JAX, see `jax.py`.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from bench.frameworks import _optax
from bench.frameworks._jax import device
from bench.frameworks._jax.precision import choose
from bench.interface import Skip, Step
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Workload

MODES = {
    "op-by-op": "filter_value_and_grad and Optax's update without jit, each operation dispatched by itself",
    "filter-jit": "gradient and update under filter_jit, which parts its arguments into arrays and the rest",
}
BASELINE = "op-by-op"
ERA = 2021
PERIOD = "today"
EXHIBIT = True
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA
FORWARD = {"regression": eqx.nn.Linear, "regression_wide": eqx.nn.Linear}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of one `eqx.nn.Linear`, which `jax.vmap` spreads over the batch."""
    if precision != FLOAT32:
        return Skip(f"Equinox is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("Equinox's forward pass is JAX's own")
    choose(precision)
    layer = FORWARD[workload.name]

    def fresh() -> Any:
        weight, bias = (jnp.asarray(workload.parameters[name]) for name in ("weight", "bias"))
        model = layer(*weight.shape, key=jax.random.PRNGKey(42))
        return eqx.tree_at(lambda linear: (linear.weight, linear.bias), model, (weight.T, bias))

    library = _optax.Library(
        fresh=fresh,
        predict=lambda model, x: jax.vmap(model)(x),
        value_and_grad=eqx.filter_value_and_grad,
        begin=lambda optimizer, model: optimizer.init(eqx.filter(model, eqx.is_array)),
        jit=eqx.filter_jit,
        entries=lambda jitted: jitted._cached._cache_size(),
        apply=eqx.apply_updates,
        parameters=lambda model: {"weight": model.weight.T, "bias": model.bias},
    )
    return _optax.training(workload, mode, library)


start, to_numpy, memory = device.start, device.to_numpy, device.memory
wait, empty_cache = _optax.wait, device.empty_cache


def versions() -> Sequence[str]:
    """Equinox and Optax, and the JAX they compute with."""
    return (f"equinox=={eqx.__version__}", *_optax.versions())
