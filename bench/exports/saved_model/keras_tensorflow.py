"""Keras on TensorFlow: `model.export(format="tf_saved_model")`. It writes each weight twice."""

from collections.abc import Mapping

import keras

from bench.exports import INPUT
from bench.exports.saved_model import packed
from bench.frameworks._keras.models import FORWARD
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an archive of its folder.

    Raises:
        ExportError: an operation that Keras or TensorFlow cannot save.
    """
    model = FORWARD[workload.name].model(workload)
    model.set_weights([parameters[name] for name in workload.parameters])
    signature = [keras.InputSpec(shape=workload.batch.x.shape, dtype="float32", name=INPUT)]
    return packed(
        lambda folder: model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
    )
