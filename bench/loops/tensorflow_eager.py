"""TensorFlow 2, eager: a loop in Python."""

import tensorflow as tf


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = tf.constant(x), tf.constant(w)

    def run():
        product, products = x, []
        for _ in range(steps):
            product = product * w  # the body
            products.append(product)
        return tf.stack(products).numpy()

    return run


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = tf.constant(x), tf.constant(w)

    def run():
        product = x
        for _ in range(steps):
            product = product * w
        return product.numpy()

    return run
