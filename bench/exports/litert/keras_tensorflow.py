"""Keras on TensorFlow: `model.export(format="litert")`, which hands a SavedModel to TensorFlow's converter."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import keras
import tensorflow as tf

from bench.exports import INPUT
from bench.exports.litert import ExportError
from bench.frameworks._keras.models import FORWARD
from bench.reference.workload import Array32, Workload

FRAMEWORK: Final = "Keras on TensorFlow"
# Without TensorFlow's own operators, which Keras would let in: LiteRT's engine does not have them.
BUILTIN: Final = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}


def export(workload: Workload, parameters: Mapping[str, Array32], **options: Any) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as a LiteRT file.

    `options` are the converter's.

    Raises:
        ExportError: an operator that LiteRT does not have.
    """
    model = FORWARD[workload.name].model(workload)
    model.set_weights([parameters[name] for name in workload.parameters])
    return written(model, workload.batch.x.shape, **options)


def written(model: keras.Model, shape: tuple[int, ...], **options: Any) -> bytes:
    """Return `model` for an input of `shape` as a LiteRT file; `options` are the converter's.

    Raises:
        ExportError: an operator that LiteRT does not have.
    """
    signature = [keras.InputSpec(shape=shape, dtype="float32", name=INPUT)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        try:
            model.export(
                path, format="litert", input_signature=signature, verbose=False, target_spec=BUILTIN, **options
            )
        except Exception as error:
            if type(error).__name__ != "ConverterError":  # a class of a private module
                raise
            said = str(error).splitlines()[0]
            named = re.search(r"'tf\.(\w+)' (op .*)", said)
            operator, why = named.groups() if named else ("", said)
            raise ExportError(FRAMEWORK, operator, why) from error
        return path.read_bytes()
