"""The regression in Keras on JAX, without the suite: `python -P programs/keras_jax.py MODE`."""

import os
import runpy
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["NPROC"] = "1"  # threads of XLA on the CPU
os.environ["JAX_PLATFORMS"] = "cpu"

runpy.run_path(str(Path(__file__).with_name("_keras.py")), run_name="__main__")
