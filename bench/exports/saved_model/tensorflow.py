"""TensorFlow: `tf.saved_model.save` of a module whose function is traced for one shape."""

from collections.abc import Mapping

import tensorflow as tf

from bench.exports import INPUT, OUTPUT
from bench.exports.saved_model import packed
from bench.frameworks._tensorflow.models import FORWARD
from bench.reference.workload import Array32, Workload


def export(workload: Workload, parameters: Mapping[str, Array32]) -> bytes:
    """Return the workload's model with `parameters`, for a batch of the workload's size, as an archive of its folder.

    Raises:
        ExportError: an operation that TensorFlow cannot save.
    """
    module = tf.Module()
    module.weights = {name: tf.Variable(array, trainable=False) for name, array in parameters.items()}
    signature = tf.TensorSpec(workload.batch.x.shape, tf.float32, name=INPUT)

    @tf.function(input_signature=[signature])  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: FORWARD[workload.name].predict(module.weights, x)}

    return packed(lambda folder: tf.saved_model.save(module, folder, signatures=serve))
