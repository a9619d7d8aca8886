"""Caffe2: a net of operators on the blobs of a workspace, from PyTorch 1.0's package; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT_FROM_2

MODES = {"net": "one run of a net of type simple makes the update"}
BASELINE = "net"
ERA = 2017
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
PACKAGES = "torch1"
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT_FROM_2
FORWARD = {"regression": "an FC operator"}

era = Era(program="caffe2", title="Caffe2")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
