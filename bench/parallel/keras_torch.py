"""Keras on PyTorch: Keras' distribution API has nothing for PyTorch, which is looked for each time."""

import keras

from bench.frameworks import keras_torch as one
from bench.interface import Skip
from bench.parallel import ParallelStep, World
from bench.reference.workload import Workload

STRATEGIES = {
    "data-parallel": "keras.distribution.DataParallel over a mesh of devices; Keras has none for PyTorch",
}
COMPARED = {"data-parallel": "batch"}

ADAM, FORWARD = one.ADAM, one.FORWARD
start, wait, to_numpy, memory = one.start, one.wait, one.to_numpy, one.memory
empty_cache, versions = one.empty_cache, one.versions


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return why there is no such step."""
    try:
        found = keras.distribution.list_devices()
    except AttributeError as error:
        return Skip(f"Keras has no distribution API on PyTorch ({error})")
    return Skip(f"Keras lists {', '.join(found)} on PyTorch: no step over them is known here")
