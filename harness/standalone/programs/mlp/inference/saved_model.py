"""The perceptron as a SavedModel: `python -P programs/mlp/inference/saved_model.py MODE MODEL BATCH`.

MODEL is an archive (tar) of the SavedModel's folder.
"""

import os
import runpy
import tarfile
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"

import tensorflow as tf


def load(model, x):
    """As in TensorFlow's page "Using the SavedModel format"."""
    folder = tempfile.mkdtemp()
    with tarfile.open(model) as archive:
        archive.extractall(folder, filter="data")
    loaded = tf.saved_model.load(folder)
    infer = loaded.signatures["serving_default"]
    (name,), (output,) = infer.structured_input_signature[1], infer.structured_outputs
    given = {name: tf.constant(x)}

    # a signature does not keep alive what was loaded
    return lambda keep=loaded: infer(**given)[output]


def wait(outputs):
    """Wait for the device."""
    tf.test.experimental.sync_devices()


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("saved_model", load, wait)
