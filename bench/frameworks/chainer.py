"""Chainer 7: define by run, which PyTorch took over; in Python 3.8."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"define-by-run": "the graph is recorded anew by each forward pass"}
BASELINE = "define-by-run"
ERA = 2015
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "{threads}", "OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a Linear link"}

era = Era(program="chainer", title="Chainer 7")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
