"""The regression in Keras on PyTorch, without the suite: `python -P programs/keras_torch.py MODE`."""

import os
import runpy
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "0"

runpy.run_path(str(Path(__file__).with_name("_keras.py")), run_name="__main__")
