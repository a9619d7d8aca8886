"""The perceptron in ONNX Runtime: `python -P programs/mlp/inference/onnxruntime.py MODE MODEL BATCH`."""

import os
import runpy
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort


def load(model, x):
    """As in ONNX Runtime's page "I/O Binding"."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(x))
    prediction = ort.OrtValue.ortvalue_from_shape_and_type((len(x), 10), np.float32)
    binding.bind_ortvalue_output("prediction", prediction)
    return lambda: session.run_with_iobinding(binding)


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("onnxruntime", load)
