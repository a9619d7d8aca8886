"""Keras 1.2 on Theano: a Sequential model, as the first Keras was written; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"batch": "train_on_batch: one update in one compiled function of Theano"}
BASELINE = "batch"
ERA = 2015
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"g++": "g++"}
ENVIRONMENT = {
    "KERAS_BACKEND": "theano",
    "THEANO_FLAGS": "floatX=float32,base_compiledir={scratch}/theano",
    "HOME": "{scratch}",
    "OMP_NUM_THREADS": "{threads}",
}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a Dense layer"}

era = Era(program="keras", title="Keras 1.2 on Theano")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
