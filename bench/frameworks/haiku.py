"""Haiku: with Optax, modules as in Sonnet, which `hk.transform` turns into pure functions of their parameters.

The caches on disk are those of JAX, see `jax.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import optax

from bench.frameworks import _optax
from bench.frameworks._jax import device
from bench.frameworks._jax.precision import choose
from bench.interface import Skip, Step
from bench.reference.precision import FLOAT32
from bench.reference.workload import KINGMA_BA, Workload

MODES = {
    "op-by-op": "jax.value_and_grad of the transformed module and Optax's update without jit",
    "jit": "gradient and update as one jitted function, called once a step",
}
BASELINE = "op-by-op"
ERA = 2020
PERIOD = "today"
EXHIBIT = True
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA


def _line(x: jax.Array) -> jax.Array:
    predictions: jax.Array = hk.Linear(1, name="linear")(x)
    return predictions


FORWARD: dict[str, Callable[[jax.Array], jax.Array]] = {"regression": _line, "regression_wide": _line}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step of one `hk.Linear`."""
    if precision != FLOAT32:
        return Skip(f"Haiku is measured in float32 only, not {precision}")
    if not workload.trains:
        return Skip("Haiku's forward pass is JAX's own")
    choose(precision)
    model = hk.without_apply_rng(hk.transform(FORWARD[workload.name]))

    def fresh() -> Any:
        weight, bias = (jnp.asarray(workload.parameters[name]) for name in ("weight", "bias"))
        return {"linear": {"w": weight, "b": bias}}

    library = _optax.Library(
        fresh=fresh,
        predict=model.apply,
        value_and_grad=jax.value_and_grad,
        begin=lambda optimizer, parameters: optimizer.init(parameters),
        jit=jax.jit,
        entries=lambda jitted: jitted._cache_size(),
        apply=optax.apply_updates,
        parameters=lambda tree: {"weight": tree["linear"]["w"], "bias": tree["linear"]["b"]},
    )
    return _optax.training(workload, mode, library)


start, to_numpy, memory = device.start, device.to_numpy, device.memory
wait, empty_cache = _optax.wait, device.empty_cache


def versions() -> Sequence[str]:
    """Haiku and Optax, and the JAX they compute with."""
    return (f"dm-haiku=={hk.__version__}", *_optax.versions())
