"""The perceptron in TorchScript: `python -P programs/mlp/inference/torchscript.py MODE MODEL BATCH`."""

import os
import runpy
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)


def load(model, x):
    """As in the documentation of `torch.jit.load`."""
    module = torch.jit.load(model)
    given = torch.from_numpy(x)

    def infer():
        with torch.inference_mode():
            return module(given)

    return infer


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("torchscript", load)
