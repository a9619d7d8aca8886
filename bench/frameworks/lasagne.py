"""Lasagne: layers and update rules for Theano, 0.1 on Theano 1.0; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"fast-run": "one function of all optimisations, compiled to C++ (the default)"}
BASELINE = "fast-run"
ERA = 2015
PERIOD = "precursors"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"g++": "g++"}
ENVIRONMENT = {"THEANO_FLAGS": "floatX=float32,base_compiledir={scratch}/theano", "OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a DenseLayer"}

era = Era(program="lasagne", title="Lasagne")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
