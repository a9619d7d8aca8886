"""TensorFlow: a GradientTape step, eager, as a `tf.function`, under XLA, as a whole loop, and version 1's Session.

The optimiser is Keras', as in TensorFlow's own guides; a Session has version 1's. A function takes no arguments but
closes over the batch, which never changes: binding tensors to arguments costs more than the arithmetic.

In bfloat16 the step casts the batch and the weights and biases of products, which stay float32 variables; what flows
between the products is bfloat16. Layer norms, softmax, the mean over pixels and the loss are computed in float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.frameworks._keras.optimizers import optimizer_of
from bench.frameworks._tensorflow import device
from bench.frameworks._tensorflow.forward import arrays_of, forward_step, in_mode, placed
from bench.frameworks._tensorflow.models import FORWARD, Forward, Tensors
from bench.frameworks._tensorflow.probes import tensorflow_probes
from bench.frameworks._tensorflow.proof import Body, proof_of, trace_of
from bench.frameworks._tensorflow.session import session_step
from bench.interface import Output, Skip, Step
from bench.reference.precision import PRECISIONS, TF32
from bench.reference.workload import EPSILON_HAT, Array32, Array64, Workload

MODES = {
    "eager": "GradientTape and Keras' optimiser as in the guides, each operation dispatched by itself",
    "function": "the whole step with Keras' optimiser traced into one graph by tf.function",
    "xla": "the whole step compiled by XLA: tf.function(jit_compile=True)",
    "loop": "all steps of the run as one tf.function around a tf.range loop, called once",
    "loop-xla": "the whole loop compiled by XLA, called once",
    "session": "version 1: a static graph with its own optimiser, run by a Session, which hands out NumPy's numbers",
}
BASELINE = "eager"
ERA = 2019
PERIOD = "today"
LADDER = ("eager", "function", "xla")
LIMITS = "tensorflow"
FORMS = {"transformer": "attention of separate operations"}
ALLOCATORS = {
    "allow_growth": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
    "cuda_malloc_async": {"TF_GPU_ALLOCATOR": "cuda_malloc_async"},
}
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "{scratch}/keras",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "{threads}",
    "TF_NUM_INTRAOP_THREADS": "{threads}",
    "TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory={scratch}/xla",
}
ADAM = EPSILON_HAT


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the step, eager, traced or compiled, the loop over all steps, or the Session's step.

    A forward pass, where nothing is trained, returns its predictions in the dtype of the products.
    """
    if precision == TF32 and (missing := device.round_to_tf32()):
        return Skip(missing)
    if mode.startswith("loop") and not workload.trains:
        return Skip("a loop repeats updates: there is none in a forward pass")
    forward = replace(FORWARD[workload.name], dtype=tf.as_dtype(PRECISIONS[precision].products))
    if mode == "session":
        return session_step(workload, forward)
    return _training(workload, forward, mode) if workload.trains else forward_step(workload, forward, mode)


def _training(workload: Workload, forward: Forward, mode: str) -> Step:
    """Return the training step or the loop over all steps, eager, traced or compiled."""
    inputs, parameters = placed(workload)
    variables = list(parameters.values())
    optimizer = optimizer_of(workload.optimizer)
    optimizer.build(variables)
    fresh = [value if value.any() else None for value in (variable.numpy() for variable in optimizer.variables)]
    body = Body()
    last: Any = None

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            predictions = forward.predict(parameters, inputs["x"])
            loss = forward.loss(predictions, inputs["y"])
        optimizer.apply(tape.gradient(loss, variables), variables)
        body.ran(predictions)
        return loss

    def loop() -> tf.Tensor:
        losses = tf.TensorArray(tf.float32, size=workload.steps)
        for i in tf.range(workload.steps):
            losses = losses.write(i, step())
        return losses.stack()  # (steps,)

    whole = loop if mode.startswith("loop") else step
    advance = in_mode(whole, mode)

    def call() -> tf.Tensor:
        nonlocal last
        last = advance()
        return last

    def reset() -> None:
        for name, array in workload.parameters.items():
            parameters[name].assign(array)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(np.zeros(variable.shape, variable.dtype) if value is None else value)

    trace = trace_of(forward, parameters, inputs["x"])
    return Step(
        call=call,
        steps_per_call=workload.steps if whole is loop else 1,
        reset=reset,
        parameters=lambda: arrays_of(parameters),
        gradient=lambda: _gradient(forward, parameters, inputs),
        proof=lambda: proof_of(body, advance, trace, variables[0], last),
    )


def _gradient(forward: Forward, parameters: Tensors, inputs: Tensors) -> Mapping[str, Array32]:
    with tf.GradientTape() as tape:
        loss = forward.loss(forward.predict(parameters, inputs["x"]), inputs["y"])
    return {name: slope.numpy() for name, slope in tape.gradient(loss, parameters).items()}


start, wait, memory = device.start, device.wait, device.memory
empty_cache = device.empty_cache
probes = tensorflow_probes


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,), or the last predictions, shape (n,): these have a row for each sample."""
    last = np.asarray(outputs[-1])
    kept = last if last.ndim > 1 else np.asarray([np.asarray(losses) for losses in outputs])
    return kept.astype(np.float64).ravel()


def versions() -> Sequence[str]:
    """TensorFlow, the Keras whose optimisers it uses, and NumPy for the inputs."""
    return (f"tensorflow=={tf.__version__}", f"keras=={keras.__version__}", f"numpy=={np.__version__}")
