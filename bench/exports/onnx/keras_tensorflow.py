"""Keras on TensorFlow: `model.export(format="onnx")`, which traces the model and hands the graph to tf2onnx."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import keras
import onnx

from bench.exports.onnx import INPUT, OPSET
from bench.exports.onnx._finish import finished
from bench.frameworks._keras import models
from bench.reference.workload import Array32, Workload

FORWARD: Final[dict[str, Callable[[Workload], keras.Model]]] = {
    name: each.model for name, each in models.FORWARD.items()
}


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an ONNX file.

    Raises:
        ExportError: an operator that tf2onnx or ONNX does not have.
    """
    shape = workload.batch.x.shape
    model = FORWARD[workload.name](workload)
    model.set_weights([parameters[name] for name in workload.parameters])  # in Keras' order
    signature = [keras.InputSpec(shape=shape, dtype="float32", name=INPUT)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        # tf2onnx logs an operator that it does not know and writes it down all the same: `finished` finds it
        model.export(path, format="onnx", input_signature=signature, opset_version=OPSET, verbose=False)
        written = onnx.load(path)
    return finished(written, "Keras on TensorFlow")
