"""The perceptron in tract: `python -P programs/mlp/inference/tract.py MODE MODEL BATCH`."""

import runpy
from pathlib import Path

import tract


def load(model, x):
    """As in the documentation of tract's Python package."""
    runnable = tract.onnx().load(model).into_model().into_runnable()
    state = runnable.spawn_state()  # `runnable.run` makes one in each call
    given = [tract.Tensor.from_numpy(x)]
    return lambda: state.run(given)


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("tract", load)
