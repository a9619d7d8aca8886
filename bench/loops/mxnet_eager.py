"""MXNet, imperative: a loop in Python, of operations that an engine runs later."""

import mxnet as mx


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = mx.nd.array([x]), mx.nd.array([w])

    def run():
        product, products = x, []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return mx.nd.concat(*products, dim=0).asnumpy()

    return run


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = mx.nd.array([x]), mx.nd.array([w])

    def run():
        product = x
        for _ in range(steps):
            product = product * w
        return product.asnumpy()

    return run
