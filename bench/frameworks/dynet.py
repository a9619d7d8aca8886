"""DyNet 2.1: a new graph of C++ nodes for each step, evaluated lazily; in Python 3.8."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"define-by-run": "a new graph for each step, run when the loss is asked for"}
BASELINE = "define-by-run"
ERA = 2017
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a line of expressions"}

era = Era(program="dynet", title="DyNet 2.1")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
