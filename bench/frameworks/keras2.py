"""Keras 2.3 on TensorFlow 1.15: the last Keras with backends of its own, before Keras 3; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT_FROM_2

MODES = {"batch": "train_on_batch: one update in one Session.run"}
BASELINE = "batch"
ERA = 2017
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "HOME": "{scratch}",
    "OMP_NUM_THREADS": "{threads}",
}
ADAM = EPSILON_HAT_FROM_2
FORWARD = {"regression": "a Dense layer"}

era = Era(program="keras", title="Keras 2.3 on TensorFlow 1.15")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
