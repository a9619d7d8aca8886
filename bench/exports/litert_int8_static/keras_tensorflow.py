"""Keras on TensorFlow, as for LiteRT, quantised in full: the converter measures the ranges with the training inputs.

It quantises every operator that LiteRT has in 8 bits, norms and the softmax too. Input and output stay float32.
"""

from collections.abc import Iterator, Mapping

import tensorflow as tf

from bench.exports._calibration import training_rows
from bench.exports.litert import keras_tensorflow as litert
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a LiteRT file.

    Raises:
        ExportError: an operator that LiteRT does not have.
    """

    def representative() -> Iterator[list[Array32]]:
        for batch in training_rows(workload):
            yield [batch]

    return litert.export(
        workload, parameters, optimizations=[tf.lite.Optimize.DEFAULT], representative_dataset=representative
    )
