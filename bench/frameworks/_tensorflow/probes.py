"""TensorFlow's own eager calls for the limits of the device: product, convolution, memory traffic, smallest launch."""

from collections.abc import Sequence

import tensorflow as tf

from bench.interface import Probes, Task


def tensorflow_probes() -> Probes:
    """Return them for the device that `start` has chosen."""
    element = tf.ones(1)
    launch = Task(lambda: tf.negative(element), 1)
    return Probes(matmul=_product, triad=_triad, launch=launch, convolution=_convolution)


def _product(n: int, precision: str) -> Task | None:
    if precision == "tf32" and not tf.config.get_visible_devices("GPU"):
        return None
    a, b = (_random((n, n), precision) for _ in range(2))
    return Task(lambda: tf.linalg.matmul(a, b), 2 * n**3)


def _convolution(batch: int, channels: int, precision: str) -> Task | None:
    if precision == "tf32" and not tf.config.get_visible_devices("GPU"):
        return None
    x, weight = (_random(shape, precision) for shape in ((batch, 32, 32, channels), (3, 3, channels, channels)))
    return Task(lambda: tf.nn.conv2d(x, weight, 1, "SAME"), 2 * 9 * channels**2 * batch * 32**2)


def _random(shape: Sequence[int], precision: str) -> tf.Tensor:
    """Return numbers between 0 and 1, and let products of float32 be rounded as `precision` says."""
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    return tf.cast(tf.random.uniform(shape), tf.bfloat16 if precision == "bfloat16" else tf.float32)


def _triad(size: int) -> Task:
    """Return a += b, three passes over an array."""
    a, b = tf.Variable(tf.zeros(size // 8)), tf.ones(size // 8)
    return Task(lambda: a.assign_add(b, read_value=False), size * 3 // 2)
