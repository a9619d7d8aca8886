"""MXNet 1.9: Gluon, imperative and hybridized, and the symbolic Module before it; in Python 3.8."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {
    "imperative": "a Gluon block, one operator after the other",
    "hybridized": "the block's graph is cached and run as one (hybridize)",
    "module": "a symbol with its gradient, bound to arrays by the older Module",
}
BASELINE = "imperative"
ERA = 2015
PERIOD = "war"
EXHIBIT = True
DEVICES = ("cpu",)
LIBRARIES = {"libquadmath.so.0": "libquadmath0"}
ENVIRONMENT = {"MXNET_CPU_WORKER_NTHREADS": "{threads}", "OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a Dense block"}

era = Era(program="mxnet", title="MXNet 1.9")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
