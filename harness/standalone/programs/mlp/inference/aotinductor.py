"""The perceptron in AOTInductor: `python -P programs/mlp/inference/aotinductor.py MODE MODEL BATCH`."""

import os
import runpy
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)


def load(model, x):
    """As in PyTorch's page "AOTInductor: Ahead-Of-Time Compilation for Torch.Export-ed Models"."""
    program = torch._inductor.aoti_load_package(model)
    given = torch.from_numpy(x)

    def infer():
        with torch.inference_mode():
            return program(given)

    return infer


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("aotinductor", load)
