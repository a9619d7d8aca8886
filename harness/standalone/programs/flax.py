"""The regression in Flax NNX with Optax, written without the suite: `python -P programs/flax.py MODE`.

Modes: eager, jit, cached-partial. Prints one line of JSON: microseconds per step, trained weight and bias.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ["NPROC"] = "1"  # threads of XLA on the CPU

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

ROUNDS = int(os.environ.get("ROUNDS", "20"))

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_default_matmul_precision", "float32")

rng = np.random.default_rng(42)
x = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
weight0 = rng.standard_normal((1, 1))
bias0 = rng.standard_normal(1)
y = jnp.asarray(3 * x + 2 + noise, dtype=jnp.float32)
x = jnp.asarray(x, dtype=jnp.float32)


def loss_fn(model: nnx.Linear, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean squared error."""
    return jnp.mean(jnp.square(model(x) - y))


def step(model: nnx.Linear, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> jax.Array:
    """One update in place."""
    loss, grads = nnx.value_and_grad(loss_fn)(model, x, y)
    optimizer.update(model, grads)
    return loss


def build(mode: str) -> tuple[nnx.Linear, Callable[[], jax.Array]]:
    """Return a model at its start, and what updates it."""
    model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    model.kernel[...] = jnp.asarray(weight0, dtype=jnp.float32)
    model.bias[...] = jnp.asarray(bias0, dtype=jnp.float32)
    optimizer = nnx.Optimizer(model, optax.adam(0.1), wrt=nnx.Param)
    if mode == "cached-partial":
        cached = nnx.cached_partial(nnx.jit(step), model, optimizer)
        return model, lambda: cached(x, y)
    advance = {"eager": step, "jit": nnx.jit(step)}[mode]
    return model, lambda: advance(model, optimizer, x, y)


def main(mode: str) -> None:
    """Train once from the start, warm up, time the rounds."""
    model, advance = build(mode)

    def run(calls: int) -> None:
        losses = [advance() for _ in range(calls)]
        jax.block_until_ready((losses, model.kernel.get_value(), model.bias.get_value()))

    run(200)
    weight, bias = model.kernel.get_value().item(), model.bias.get_value().item()

    calls, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        begin = time.perf_counter()
        run(calls)
        end = time.perf_counter()
        if end - begin < 5e-3:
            calls *= 2
        elif end > warm:
            break
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        run(calls)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, calls))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found = {"step_us": step_us, "rounds": rounds, "weight": weight, "bias": bias}
    print(json.dumps({"framework": "flax", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
