"""The perceptron in jax.export: `python -P programs/mlp/inference/jax_export.py MODE MODEL BATCH`."""

import os
import runpy
from pathlib import Path

os.environ["NPROC"] = "1"  # threads of XLA on the CPU
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
from jax import export


def load(model, x):
    """As in JAX's page "Exporting and serializing staged-out computations"."""
    exported = export.deserialize(bytearray(Path(model).read_bytes()))
    infer = jax.jit(exported.call)
    given = jax.device_put(x)
    return lambda: infer(given)


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("jax_export", load, jax.block_until_ready)
