"""JAX, op by op: a loop in Python."""

import jax.numpy as jnp
import numpy as np


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = jnp.float32(x), jnp.float32(w)

    def run():
        product, products = x, []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return np.asarray(jnp.stack(products))

    return run


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = jnp.float32(x), jnp.float32(w)

    def run():
        product = x
        for _ in range(steps):
            product = product * w
        return np.asarray(product)

    return run
