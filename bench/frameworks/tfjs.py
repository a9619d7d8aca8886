"""TensorFlow.js: TensorFlow's operations in JavaScript or WebAssembly, run by node.

Its binding to TensorFlow's own library is not here: its package downloads that when it is installed.
"""

from bench.frameworks._eras import Era
from bench.frameworks._eras import empty_cache as empty_cache
from bench.frameworks._eras import to_numpy as to_numpy
from bench.frameworks._eras import wait as wait
from bench.guests import node
from bench.reference.workload import KINGMA_BA

MODES = {
    "cpu": "optimizer.minimize of a function, on the backend in JavaScript; each loss read as a number",
    "wasm": "the same on the backend in WebAssembly",
    "layers-fit": "model.fit on the backend in JavaScript, an epoch an update; the start of a fit is in each round",
}
BASELINE = "cpu"
ERA = 2018
PERIOD = "today"
EXHIBIT = True
DEVICES = ("cpu",)
PROGRAMS = {"node": "nodejs"}
ENVIRONMENT: dict[str, str] = {}
ADAM = KINGMA_BA
FORWARD = {"regression": "a line of two variables, or a dense layer"}

era = Era(program="tfjs.mjs", title="TensorFlow.js", begin=node.start)
start, build, memory, versions = era.start, era.build, era.memory, era.versions
