"""The regression in plain JAX, written without the suite: `python -P programs/jax.py MODE`.

Modes: op-by-op, jit, jit-donate, scan. Prints one line of JSON: microseconds per step, trained weight and bias.
"""

import gc
import json
import os
import statistics
import sys
import time
from typing import Any

os.environ["NPROC"] = "1"  # threads of XLA on the CPU

import jax
import jax.numpy as jnp
import numpy as np

ROUNDS = int(os.environ.get("ROUNDS", "20"))

State = tuple[Any, Any, Any, jax.Array]  # parameters, Adam's m and v, updates made

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_default_matmul_precision", "float32")

STEPS, RATE, BETA1, BETA2, EPSILON = 200, 0.1, 0.9, 0.999, 1e-8

rng = np.random.default_rng(42)
x = rng.standard_normal((200, 1))
noise = rng.standard_normal((200, 1)) * 0.1
weight0 = rng.standard_normal((1, 1)).astype(np.float32)
bias0 = rng.standard_normal(1).astype(np.float32)
y = jnp.asarray(3 * x + 2 + noise, dtype=jnp.float32)
x = jnp.asarray(x, dtype=jnp.float32)


def initial() -> State:
    """Return the state before the first update."""
    parameters = {"weight": jnp.array(weight0), "bias": jnp.array(bias0)}
    m, v = jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters)
    return parameters, m, v, jnp.zeros((), jnp.float32)


def loss_fn(parameters: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean squared error."""
    return jnp.mean(jnp.square(x @ parameters["weight"] + parameters["bias"] - y))


loss_and_grads = jax.value_and_grad(loss_fn)


def step(state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
    """One update by Adam, as Kingma and Ba wrote it."""
    parameters, m, v, t = state
    loss, grads = loss_and_grads(parameters, x, y)
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * jnp.square(g), v, grads)
    c1, c2 = 1 - BETA1**t, 1 - BETA2**t
    parameters = jax.tree.map(lambda p, m, v: p - RATE * (m / c1) / (jnp.sqrt(v / c2) + EPSILON), parameters, m, v)
    return (parameters, m, v, t), loss


def loop(state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
    """All updates of the run."""
    state, losses = jax.lax.scan(lambda state, _: step(state, x, y), state, length=STEPS)
    return state, losses


def main(mode: str) -> None:
    """Train once from the start, warm up, time the rounds."""
    advance = {
        "op-by-op": step,
        "jit": jax.jit(step),
        "jit-donate": jax.jit(step, donate_argnums=0),
        "scan": jax.jit(loop),
    }[mode]
    steps_per_call = STEPS if mode == "scan" else 1

    def run(state: State, calls: int) -> State:
        losses = []
        for _ in range(calls):
            state, loss = advance(state, x, y)
            losses.append(loss)
        jax.block_until_ready((state, losses))
        return state

    trained = run(initial(), STEPS // steps_per_call)[0]

    state, calls, warm = initial(), 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        begin = time.perf_counter()
        state = run(state, calls)
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
        state = run(state, calls)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, calls * steps_per_call))
    weight, bias = trained["weight"].item(), trained["bias"].item()
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found = {"step_us": step_us, "rounds": rounds, "weight": weight, "bias": bias}
    print(json.dumps({"framework": "jax", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
