"""Keras on TensorFlow: `keras.distribution.DataParallel` is accepted and splits nothing, which is looked for each time.

What Keras' distribution API has for TensorFlow is a prototype by its own words: no variable is placed by it, and no
exchange is added to a step. TensorFlow's own `tf.distribute` is in `tensorflow.py` beside this file.
"""

import keras

from bench.frameworks import keras_tensorflow as one
from bench.frameworks._tensorflow import device
from bench.interface import Skip
from bench.parallel import ParallelStep, World, _tensorflow
from bench.reference.workload import Workload

STRATEGIES = {
    "data-parallel": "keras.distribution.DataParallel over logical devices; on TensorFlow it splits nothing",
}
COMPARED = {"data-parallel": "batch"}

ADAM, FORWARD = one.ADAM, one.FORWARD
start, wait, to_numpy, memory = device.choose, one.wait, one.to_numpy, one.memory
empty_cache, versions = one.empty_cache, one.versions


def build(workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
    """Return why there is no such step, by where a model's weights lie under the distribution."""
    names = _tensorflow.split_device(max(2, world.size))
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=[_short(name) for name in names]))
    model = FORWARD[workload.name].model(workload)
    places = sorted({_short(weight.value.device) for weight in model.weights})
    if len(places) == 1:
        return Skip(
            f"Keras' DataParallel on TensorFlow is accepted and splits nothing: of {len(names)} devices all weights lie"
            f" on {places[0]}"
        )
    return Skip(f"Keras' DataParallel on TensorFlow places weights on {', '.join(places)}: no step of it is known here")


def _short(name: str) -> str:
    """Return "cpu:0" of TensorFlow's "/device:CPU:0"."""
    return name.rpartition("device:")[2].lower()
