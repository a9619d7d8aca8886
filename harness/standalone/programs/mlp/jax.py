"""The perceptron in plain JAX, written without the suite: `python -P programs/mlp/jax.py jit`.

Modes: jit, jit-donate. Prints one line of JSON: microseconds per step and the loss after 20 updates.
"""

import gc
import json
import os
import statistics
import sys
import time
from typing import Any

os.environ["NPROC"] = "1"  # threads of XLA on the CPU

import itertools

import jax
import jax.numpy as jnp
import numpy as np

ROUNDS = int(os.environ.get("ROUNDS", "20"))
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
WIDTHS = (784, 512, 512, 10)

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_default_matmul_precision", "float32")

rng = np.random.default_rng(42)
images = jnp.asarray(rng.standard_normal((256, 784)), dtype=jnp.float32)
labels = jnp.asarray(rng.integers(10, size=256), dtype=jnp.int32)
initial = []
for fan_in, fan_out in itertools.pairwise(WIDTHS):
    kernel = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
    initial.append((np.float32(kernel), np.float32(rng.standard_normal(fan_out) * 0.01)))


def loss_fn(layers: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross-entropy of the logits."""
    *hidden, last = layers
    for kernel, bias in hidden:
        images = jax.nn.relu(images @ kernel + bias)
    log_probabilities = jax.nn.log_softmax(images @ last[0] + last[1])
    return -jnp.mean(log_probabilities[jnp.arange(len(labels)), labels])


def step(state: Any, images: jax.Array, labels: jax.Array) -> Any:
    """One update by Adam, as Kingma and Ba wrote it."""
    layers, m, v, t = state
    loss, grads = jax.value_and_grad(loss_fn)(layers, images, labels)
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * jnp.square(g), v, grads)
    c1, c2 = 1 - BETA1**t, 1 - BETA2**t
    layers = jax.tree.map(lambda p, m, v: p - RATE * (m / c1) / (jnp.sqrt(v / c2) + EPSILON), layers, m, v)
    return (layers, m, v, t), loss


def main(mode: str) -> None:
    """Train 20 updates, warm up, time the rounds."""
    advance = jax.jit(step, donate_argnums=(0,) if mode == "jit-donate" else ())
    layers = jax.device_put(initial)
    zeros = jax.tree.map(jnp.zeros_like, layers)
    state = (layers, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.float32))

    def run(calls: int) -> Any:
        nonlocal state
        losses = []
        for _ in range(calls):
            state, loss = advance(state, images, labels)
            losses.append(loss)
        return jax.block_until_ready((state, losses))[1]

    loss = run(21)[-1].item()
    calls, warm = 1, time.perf_counter() + 1.5
    gc.collect()
    gc.freeze()
    gc.disable()
    while time.perf_counter() < warm:
        begin = time.perf_counter()
        run(calls)
        if time.perf_counter() - begin < 5e-3:
            calls *= 2
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begin_ns = time.perf_counter_ns()
        run(calls)
        end_ns = time.perf_counter_ns()
        rounds.append((begin_ns, end_ns, calls))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3
    found = {"step_us": step_us, "rounds": rounds, "loss": loss}
    print(json.dumps({"framework": "jax", "mode": mode, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
