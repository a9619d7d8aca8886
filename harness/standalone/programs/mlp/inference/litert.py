"""The perceptron in LiteRT: `python -P programs/mlp/inference/litert.py MODE MODEL BATCH`."""

import runpy
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter


def load(model, x):
    """As in LiteRT's page "Get started with LiteRT" for Python."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], x)
    return interpreter.invoke


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("litert", load)
