"""TensorFlow 1.15: a graph of placeholders and variables, which a Session runs; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"session": "the graph is built once, then each step is a Session.run that feeds the batch"}
BASELINE = "session"
ERA = 2017
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a line of placeholders"}

era = Era(program="tensorflow", title="TensorFlow 1.15")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
