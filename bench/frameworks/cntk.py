"""CNTK 2.7: a static graph of functions, which a Trainer runs; in Python 3.6.

Its libraries are linked to an MPI that no package has. One process calls none of it, so the guest compiles a stand-in.
"""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"trainer": "a Trainer runs the graph on a minibatch, and its learner updates"}
BASELINE = "trainer"
ERA = 2016
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"g++": "g++"}
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}", "MKL_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a Dense layer"}

era = Era(program="cntk", title="CNTK 2.7")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
