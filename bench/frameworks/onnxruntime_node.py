"""ONNX Runtime in node: inference in a JavaScript process of the trained model that another framework exported.

The model is the one that ONNX Runtime's Python package runs, to the byte, and the library below is the same one in C++.
"""

from bench.frameworks._onnxruntime_js import Engine
from bench.frameworks._onnxruntime_js import empty_cache as empty_cache
from bench.frameworks._onnxruntime_js import to_numpy as to_numpy
from bench.frameworks._onnxruntime_js import wait as wait
from bench.reference.workload import KINGMA_BA

MODES = {
    "from-torch": "inference of the model that torch.onnx.export wrote",
    "from-keras": "inference of the model that Keras on TensorFlow wrote with tf2onnx",
    "from-jax": "inference of the model that jax2onnx wrote from JAX",
}
BASELINE = ""
SOURCES = {"from-torch": "torch/onnx", "from-keras": "keras_tensorflow/onnx", "from-jax": "jax/onnx"}
TRAINS = False
DEVICES = ("cpu",)
PROGRAMS = {"node": "nodejs"}
ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",  # the package keeps usage data in ~/.cache, as that for Python does
    "SAMESTEP_MODEL": "{scratch}/model.onnx",
}
ADAM = KINGMA_BA  # of no consequence: nothing is trained here
FORWARD = dict.fromkeys(("mlp", "convnet", "transformer"), "the model's own graph")

engine = Engine(program="onnxruntime_node.mjs", title="ONNX Runtime in node")
start, build, memory, versions = engine.start, engine.build, engine.memory, engine.versions
