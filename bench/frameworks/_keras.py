"""Keras: `compile` and `train_on_batch` of a Sequential model, on the TensorFlow backend.

`train_on_batch` is one optimiser update in Keras' own step. It resets the loss metric first, so that the value is this
step's, and returns it as a Python float: it waits for the device by itself, in every step.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.framework import Output, Skip, Step
from bench.frameworks import tensorflow as backend
from bench.record import ModeProof
from bench.workload import EPSILON_HAT, Array64, Workload

MODES = {
    "eager": "compile(run_eagerly=True): Keras' step in Python, each operation dispatched by itself",
    "default": "compile() as it comes: one tf.function; XLA where there is a GPU, none on a CPU",
    "jit": "compile(jit_compile=True): the step compiled by XLA",
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
COMPILE = {"eager": {"run_eagerly": True}, "default": {}, "jit": {"jit_compile": True}}


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model, the workload's names of its weights in Keras' order, and its loss."""

    model: Callable[[], keras.Model]
    names: tuple[str, ...]
    loss: str


def _regression() -> keras.Model:
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


FORWARD = {"regression": Forward(_regression, names=("weight", "bias"), loss="mean_squared_error")}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return `train_on_batch` of the model, compiled in the sense of Keras."""
    if precision != "float32":
        return Skip(f"Keras is measured in float32 only, not {precision}")
    forward = FORWARD[workload.name]
    initial = [workload.parameters[name] for name in forward.names]
    x, y = tf.constant(workload.inputs["x"]), tf.constant(workload.inputs["y"])
    model = forward.model()
    model.set_weights(initial)
    optimizer = backend.optimizer_of(workload.optimizer)
    model.compile(optimizer=optimizer, loss=forward.loss, **COMPILE[mode])
    optimizer.build(model.trainable_variables)
    fresh = [variable.numpy() for variable in optimizer.variables]

    def reset() -> None:
        model.set_weights(initial)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)

    def proof() -> ModeProof:
        traces, xla = _compiled(model, (x, y, None))
        compiled = "default" if mode == "default" or not xla else "jit"
        return ModeProof(
            mode=compiled if traces else "eager",
            device=backend.device_of(model.trainable_variables[0].value),
            threads=tf.config.threading.get_intra_op_parallelism_threads(),
            precision=model.trainable_variables[0].dtype,
            compilations=None if mode == "eager" else traces,
            graph_breaks=None if mode == "eager" else 0,
            evidence=f"run_eagerly is {model.run_eagerly}, jit_compile is {model.jit_compile}; Keras' step was traced "
            f"{traces} times, with XLA: {xla}; device and dtype are the first weight's",
        )

    return Step(
        call=lambda: model.train_on_batch(x, y),
        reset=reset,
        parameters=lambda: dict(zip(forward.names, model.get_weights(), strict=True)),
        proof=proof,
    )


def _compiled(model: keras.Model, batch: tuple[Any, ...]) -> tuple[int, bool]:
    """Return how often Keras' step was traced, and whether the trace must be compiled by XLA.

    Keras hides the `tf.function` around its step in a closure of `train_function`.
    """
    if model.train_function is None:
        return 0, False
    step = inspect.getclosurevars(model.train_function).nonlocals["one_step_on_data"].__wrapped__
    if not isinstance(step, tf.types.experimental.PolymorphicFunction):
        return 0, False
    traces = step.experimental_get_tracing_count()
    return traces, traces > 0 and backend.compiled_by_xla(step, batch)


start, wait, memory = backend.start, backend.wait, backend.memory


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.asarray(outputs, dtype=np.float64).ravel()


def versions() -> Sequence[str]:
    """Keras, its backend, and NumPy for the inputs."""
    return (f"keras=={keras.__version__}", f"tensorflow=={tf.__version__}", f"numpy=={np.__version__}")
