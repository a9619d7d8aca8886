"""Chainer, define-by-run: a loop in Python, which leaves its graph behind."""

import chainer
import chainer.functions as F
import numpy as np


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = chainer.Variable(np.array(x, np.float32)), chainer.Variable(np.array(w, np.float32))

    def run():
        product, products = x, []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return F.stack(products).array

    return run


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = chainer.Variable(np.array(x, np.float32)), chainer.Variable(np.array(w, np.float32))

    def run():
        product = x
        for _ in range(steps):
            product = product * w
        return product.array

    return run
