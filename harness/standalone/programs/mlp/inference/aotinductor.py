"""The perceptron in AOTInductor: `python -P programs/mlp/inference/aotinductor.py MODE MODEL BATCH`."""

import os
import runpy
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)


def load(model, x):
    """As in PyTorch's page "AOTInductor: Ahead-Of-Time Compilation for Torch.Export-ed Models", in its part on C++.

    `torch._inductor.aoti_load_package` hands this loader on and looks at the inputs in each call: 7 of 20 µs.
    """
    loader = torch._C._aoti.AOTIModelPackageLoader(model, "model", False, 1, -1)
    given = torch.from_numpy(x)

    def infer():
        with torch.inference_mode():
            return loader.run([given])[0]

    return infer


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("aotinductor", load)
