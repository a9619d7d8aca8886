"""PyTorch 1.0: the loop that is still written, in its first stable release; in Python 3.7."""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.reference.workload import EPSILON_HAT

MODES = {
    "eager": "one operation after the other",
    "traced": "the model is traced once by torch.jit.trace; loss and update are eager",
}
BASELINE = "eager"
ERA = 2018
PERIOD = "pytorch"
EXHIBIT = True
DEVICES = ("cpu",)
ENVIRONMENT = {"OMP_NUM_THREADS": "{threads}"}
ADAM = EPSILON_HAT
FORWARD = {"regression": "a Linear module"}

era = Era(program="torch1", title="PyTorch 1.0")
start, build, memory, versions = era.start, era.build, era.memory, era.versions
