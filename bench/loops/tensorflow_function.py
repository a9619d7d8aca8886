"""TensorFlow 2, tf.function: a loop over tf.range, which AutoGraph makes a node, and a TensorArray."""

import tensorflow as tf


def every(steps, x, w):
    """Return a function that returns each product."""
    x, w = tf.constant(x), tf.constant(w)

    @tf.function
    def run(product, w):
        products = tf.TensorArray(tf.float32, size=steps)
        for step in tf.range(steps):
            product = product * w  # the body
            products = products.write(step, product)
        return products.stack()

    return lambda: run(x, w).numpy()


def last(steps, x, w):
    """Return a function that returns the last product."""
    x, w = tf.constant(x), tf.constant(w)

    @tf.function
    def run(product, w):
        for _ in tf.range(steps):
            product = product * w
        return product

    return lambda: run(x, w).numpy()
