"""SavedModel: inference of the folder that TensorFlow or Keras saved, through its signature, by TensorFlow."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf

from bench.exports import INPUT
from bench.exports.saved_model import unpacked
from bench.frameworks._tensorflow import device
from bench.frameworks._tensorflow.proof import PRODUCTS, prove
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Array64, Workload

MODES = {
    "from-tensorflow": "inference of the module that tf.saved_model.save wrote, through its signature",
    "from-keras": "inference of the model that Keras on TensorFlow exported, through its signature",
}
BASELINE = ""
SOURCES = {"from-tensorflow": "tensorflow/saved_model", "from-keras": "keras_tensorflow/saved_model"}
TRAINS = False
PACKAGES = "tensorflow"
DEVICES = ("cpu",)
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "{threads}",
    "TF_NUM_INTRAOP_THREADS": "{threads}",
    "TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory={scratch}/xla",
    "SAMESTEP_MODEL": "{scratch}/model.tar",
}
ADAM = KINGMA_BA
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"))  # as they were exported
SIGNATURE: Final = "serving_default"


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the SavedModel in the archive at SAMESTEP_MODEL, which is unpacked beside it."""
    if precision != "float32":
        return Skip(f"SavedModel is measured in float32 only, not {precision}")
    loaded = tf.saved_model.load(str(unpacked(Path(os.environ["SAMESTEP_MODEL"]))))
    signature = loaded.signatures[SIGNATURE]  # lives as long as `loaded`, which the step holds
    (output,) = signature.structured_outputs
    x = tf.constant(workload.batch.x)
    last: Any = None

    def call() -> tf.Tensor:
        nonlocal last
        last = signature(**{INPUT: x})[output]
        return last

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: workload.parameters,  # only its predictions tell that it has them
        proof=lambda: _proof(loaded, signature, last),
        inference=True,
    )


def _proof(loaded: Any, signature: Any, last: Any) -> ModeProof:
    """Return what the loaded graph is, who saved it, and where its variables are."""
    # Keras gives what it exports its own list of endpoints; a plain module has none
    ran = "from-keras" if hasattr(loaded, "_endpoint_names") or hasattr(loaded, "serve") else "from-tensorflow"
    variables = signature.variables
    library = signature.graph.as_graph_def().library.function  # the signature calls what was saved
    nodes = [node for function in library for node in function.node_def]
    operations = sorted({node.op for node in nodes})
    dtypes = sorted({tf.as_dtype(node.attr["T"].type).name for node in nodes if node.op in PRODUCTS})
    read = prove(
        ran,
        None,
        device=variables[0].device,
        precision=", ".join(sorted({variable.dtype.name for variable in variables})),
        compute_precision=", ".join(dtypes),
        output=last,
        evidence=f"saved by TensorFlow {loaded.tensorflow_version}; its signature holds {len(variables)} variables and "
        f"the operations {', '.join(operations)}",
    )
    return dataclasses.replace(read, graph_breaks=0, graphs=1)


start, wait, memory = device.start, device.wait, device.memory
empty_cache = device.empty_cache


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, shape (n,)."""
    return np.asarray(outputs[-1], dtype=np.float64).ravel()


def versions() -> Sequence[str]:
    """TensorFlow, and NumPy for the inputs."""
    return (f"tensorflow=={tf.__version__}", f"numpy=={np.__version__}")
