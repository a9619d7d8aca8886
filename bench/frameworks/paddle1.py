"""PaddlePaddle 1.8: Fluid, a program of operators that an Executor runs; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {"executor": "one Executor.run of the program makes the update"}
BASELINE = "executor"
ERA = 2018
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
LIBRARIES = {  # of the OpenCV that it imports
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
}
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "an fc layer"}

era = Era(program="paddle1", title="PaddlePaddle 1.8")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
