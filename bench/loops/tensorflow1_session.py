"""TensorFlow 1, while_loop: the body as a function, called once for the graph; a TensorArray, fetched by a Session."""

import tensorflow as tf


def every(steps, x, w):
    """Return a function that returns each product."""
    with tf.Graph().as_default() as graph:
        start, factor = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])

        def body(step, product, products):
            product = product * factor  # the body
            return step + 1, product, products.write(step, product)

        state = [0, start, tf.TensorArray(tf.float32, steps)]
        fetched = tf.while_loop(lambda step, *_: step < steps, body, state)[2].stack()
        session = tf.Session(graph=graph)
    return lambda: session.run(fetched, {start: x, factor: w})


def last(steps, x, w):
    """Return a function that returns the last product."""
    with tf.Graph().as_default() as graph:
        start, factor = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])

        def body(step, product):
            return step + 1, product * factor

        fetched = tf.while_loop(lambda step, _: step < steps, body, [0, start])[1]
        session = tf.Session(graph=graph)
    return lambda: session.run(fetched, {start: x, factor: w})
