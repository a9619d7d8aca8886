"""Theano 1.0: a symbolic graph, differentiated and compiled to C++ before the first step; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {
    "fast-run": "one function of all optimisations, compiled to C++ (the default)",
    "fast-compile": "few optimisations of the graph",
}
BASELINE = "fast-compile"
ERA = 2010
PERIOD = "precursors"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"g++": "g++"}
ENVIRONMENT = {"THEANO_FLAGS": "floatX=float32,base_compiledir={scratch}/theano", "OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a line of symbols"}

era = Era(program="theano", title="Theano 1.0")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
