"""TensorFlow: a GradientTape step with Keras' optimiser, eagerly, as a `tf.function`, or compiled by XLA."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.framework import Output, Skip, Step
from bench.record import Memory, ModeProof
from bench.workload import EPSILON_HAT, Adam, Array64, Sgd, Workload

MODES = {
    "eager": "GradientTape and optimiser, each operation dispatched by itself",
    "function": "the whole step traced into one graph by tf.function",
    "xla": "the whole step compiled by XLA: tf.function(jit_compile=True)",
}
BASELINE = "eager"
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "{scratch}/keras",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "{threads}",
    "TF_NUM_INTRAOP_THREADS": "{threads}",
}
ADAM = EPSILON_HAT

Tensors = Mapping[str, Any]


def _regression(parameters: Tensors, inputs: Tensors) -> tf.Tensor:
    prediction = tf.matmul(inputs["x"], parameters["weight"]) + parameters["bias"]  # (n, 1)
    return tf.reduce_mean(tf.square(prediction - inputs["y"]))


FORWARD = {"regression": _regression}


def start(device: str, threads: int) -> None:
    """Choose the device, set the threads and strict float32 (no TF32)."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise RuntimeError("TensorFlow finds no GPU")
    tf.config.set_visible_devices(gpus[:1] if device == "cuda" else [], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step, eager, traced or compiled."""
    if precision != "float32":
        return Skip(f"TensorFlow is measured in float32 only, not {precision}")
    forward = FORWARD[workload.name]
    inputs = {name: tf.constant(array) for name, array in workload.inputs.items()}
    parameters = {name: tf.Variable(array, name=name) for name, array in workload.parameters.items()}
    optimizer = optimizer_of(workload.optimizer)
    optimizer.build(list(parameters.values()))
    fresh = [variable.numpy() for variable in optimizer.variables]
    body = Counter[str]()  # how the step's Python ran: eagerly, or into a graph

    def step(inputs: Tensors) -> tf.Tensor:
        body["eager" if tf.executing_eagerly() else "traced"] += 1
        with tf.GradientTape() as tape:
            loss = forward(parameters, inputs)
        variables = list(parameters.values())
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    advance: Any = step if mode == "eager" else tf.function(step, jit_compile=mode == "xla")

    def reset() -> None:
        for name, array in workload.parameters.items():
            parameters[name].assign(array)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)

    def proof() -> ModeProof:
        weight = parameters["weight"]
        ran = "eager"
        if body["traced"] and not body["eager"]:
            ran = "xla" if compiled_by_xla(advance, inputs) else "function"
        return ModeProof(
            mode=ran,
            device=device_of(weight),
            threads=tf.config.threading.get_intra_op_parallelism_threads(),
            precision=weight.dtype.name,
            compilations=None if mode == "eager" else body["traced"],
            graph_breaks=None if mode == "eager" else 0,
            evidence=f"the step's Python ran {body['eager']} times eagerly and {body['traced']} times while tracing; "
            "XLA is the traced function's own attribute; device and dtype are the weight's",
        )

    return Step(
        call=lambda: advance(inputs),
        reset=reset,
        parameters=lambda: {name: variable.numpy() for name, variable in parameters.items()},
        proof=proof,
    )


def compiled_by_xla(function: Any, *arguments: Any) -> bool:
    """Return whether XLA must compile `function`, by the attribute of the trace it already has for `arguments`."""
    return bool(function.get_concrete_function(*arguments).function_def.attr["_XlaMustCompile"].b)


def optimizer_of(optimizer: Adam | Sgd) -> Any:
    """Return Keras' optimiser with the workload's constants."""
    if isinstance(optimizer, Sgd):
        return keras.optimizers.SGD(optimizer.learning_rate)
    return keras.optimizers.Adam(
        optimizer.learning_rate, beta_1=optimizer.beta1, beta_2=optimizer.beta2, epsilon=optimizer.epsilon
    )


def device_of(tensor: Any) -> str:
    """Return where a tensor or variable lies, such as "cpu" or "cuda:0"."""
    place = tf.DeviceSpec.from_string(tensor.device)
    return f"cuda:{place.device_index}" if place.device_type == "GPU" else place.device_type.lower()


def wait(outputs: Sequence[Output]) -> None:
    """Wait until every device has finished what was given to it."""
    tf.test.experimental.sync_devices()


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray([loss.numpy() for loss in outputs], dtype=np.float64).ravel()


def memory() -> Memory:
    """Return the allocator's peak; TensorFlow keeps none on the CPU."""
    if not tf.config.get_visible_devices("GPU"):
        return Memory()
    return Memory(allocated_peak_bytes=tf.config.experimental.get_memory_info("GPU:0")["peak"])


def versions() -> Sequence[str]:
    """TensorFlow, the Keras whose optimisers it uses, and NumPy for the inputs."""
    return (f"tensorflow=={tf.__version__}", f"keras=={keras.__version__}", f"numpy=={np.__version__}")
