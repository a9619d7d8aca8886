"""Linear regression in JAX: a loss function, its gradient, and a jitted update."""

import jax
import jax.numpy as jnp

from bench.hello.data import x, y

LEARNING_RATE = 0.1


def loss_fn(params):
    predictions = x @ params["weight"] + params["bias"]
    return jnp.mean((predictions - y) ** 2)


@jax.jit
def update(params):
    grads = jax.grad(loss_fn)(params)
    return jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, grads)


params = {"weight": jax.random.normal(jax.random.key(0), (1, 1)), "bias": jnp.zeros(1)}
for epoch in range(200):
    params = update(params)

print(f"weight={params['weight'].item():.4f} bias={params['bias'].item():.4f}")
