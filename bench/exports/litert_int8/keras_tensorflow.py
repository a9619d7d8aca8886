"""Keras on TensorFlow, as for LiteRT, with the converter's default optimisation: weights of 8 bits.

The engine rounds the operands of such a weight to 8 bits in each call. The converter leaves weights of fewer than 1024
numbers as they are.
"""

from collections.abc import Mapping

import tensorflow as tf

from bench.exports.litert import keras_tensorflow as litert
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a LiteRT file.

    Raises:
        ExportError: an operator that LiteRT does not have.
    """
    return litert.export(workload, parameters, optimizations=[tf.lite.Optimize.DEFAULT])
