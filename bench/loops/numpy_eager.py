"""NumPy: a loop in Python."""

import numpy as np


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = np.float32(x), np.float32(w)

    def run():
        product, products = x, []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return np.array(products)

    return run


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = np.float32(x), np.float32(w)

    def run():
        product = x
        for _ in range(steps):
            product = product * w
        return product

    return run
