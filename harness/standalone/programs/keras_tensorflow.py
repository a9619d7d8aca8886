"""The regression in Keras on TensorFlow, without the suite: `python -P programs/keras_tensorflow.py MODE`."""

import os
import runpy
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"

runpy.run_path(str(Path(__file__).with_name("_keras.py")), run_name="__main__")
