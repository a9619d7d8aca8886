"""Keras on TensorFlow: `fit` and `train_on_batch`; the step is a `tf.function`, or under XLA."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from bench.frameworks._keras import models, step
from bench.frameworks._keras.backend import COMPILED, EAGER, GRAPH, Backend
from bench.frameworks._keras.proof import step_of
from bench.frameworks._tensorflow import device
from bench.frameworks._tensorflow.probes import tensorflow_probes
from bench.frameworks._tensorflow.proof import Graphs, compiled_by_xla, products, prove
from bench.interface import Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import EPSILON_HAT, Workload

MODES = {
    "fit-eager": "fit, one batch an epoch from tf.data, compile(run_eagerly=True): each operation dispatched by itself",
    "fit": "fit, one batch an epoch from tf.data, compile() as it comes: tf.function, XLA only where there is a GPU",
    "fit-jit": "fit, one batch an epoch from tf.data, compile(jit_compile=True): the step compiled by XLA",
    "batch-eager": "train_on_batch, compile(run_eagerly=True): each operation dispatched by itself",
    "batch": "train_on_batch, compile() as it comes: tf.function, with XLA only where there is a GPU",
    "batch-jit": "train_on_batch, compile(jit_compile=True): the step compiled by XLA",
}
BASELINE = {
    "fit-eager": "fit-eager",
    "fit": "fit-eager",
    "fit-jit": "fit-eager",
    "batch-eager": "batch-eager",
    "batch": "batch-eager",
    "batch-jit": "batch-eager",
}
LADDER = ("batch-eager", "batch", "batch-jit")
LIMITS = "tensorflow"
FORMS = {"transformer": "keras.ops.dot_product_attention"}
ALLOCATORS = "tensorflow"
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "{scratch}/keras",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "{threads}",
    "TF_NUM_INTRAOP_THREADS": "{threads}",
    "TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory={scratch}/xla",
}
ERA = 2023
PERIOD = "today"
ADAM = EPSILON_HAT
STEP = "one_step_on_data"  # what Keras calls its step, and what XLA compiles
PREDICT = "predict_function"
FORWARD = models.FORWARD


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the mode's step: Keras' own, or one epoch of its loop."""
    keras_on_tensorflow = Backend(
        gradient=_gradient,
        uncompiled=GRAPH,
        prove=_prove,
        products=_products,
        round_to_tf32=device.round_to_tf32,
        feed=_repeated,
    )
    return step.build(workload, mode, precision, keras_on_tensorflow)


def _repeated(x: Any, y: Any) -> dict[str, Any]:
    """Return the batch as a dataset without end: one that ends costs a new `tf.data` iterator in each epoch.

    It is made of NumPy's arrays: a dataset lies on the host, and takes a copy of what is on the device.

    Its autotuner has nothing to tune, and keeps the end of a fit waiting for up to 60 ms (decision 11).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return {"x": tf.data.Dataset.from_tensors((x, y)).repeat().with_options(options), "steps_per_epoch": 1}


def _gradient(model: keras.Model, loss: models.Loss, x: tf.Tensor, y: tf.Tensor) -> Sequence[tf.Tensor]:
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    slopes: Sequence[tf.Tensor] = tape.gradient(value, [variable.value for variable in model.trainable_variables])
    return slopes


def _products(model: keras.Model, x: tf.Tensor) -> set[str]:
    return products(tf.function(model).get_concrete_function(x).graph)


def _prove(model: keras.Model) -> ModeProof:
    """Return what TensorFlow ran of Keras' step."""
    functions = _functions(model)
    counts = [function.experimental_get_tracing_count() for function in functions.values()]
    traces = sum(counts)
    graphs = None
    if traces:
        newest = functions[STEP if STEP in functions else PREDICT]._list_all_concrete_functions()[-1]
        used = sum(count > 0 for count in counts)
        graphs = Graphs(functions=used, traces=traces, xla=compiled_by_xla(newest))
    ran = EAGER if graphs is None else COMPILED if graphs.xla else GRAPH
    weight = model.trainable_variables[0]
    return prove(
        ran,
        graphs,
        device=weight.value.device,
        precision=weight.dtype,
        output=None,
        evidence=f"Keras' {len(functions)} tf.functions were traced {counts} times",
    )


def _functions(model: keras.Model) -> dict[str, Any]:
    """Return the `tf.function`s that are Keras' step or hidden in its closure; none before a step."""
    keras_step = step_of(model)
    if keras_step is None:
        return {}
    outer = {PREDICT: keras_step} if _traces(keras_step) else {}
    body = inspect.unwrap(keras_step.python_function if outer else keras_step)
    hidden = inspect.getclosurevars(body).nonlocals
    functions = {name: inspect.unwrap(value, stop=_traces) for name, value in hidden.items() if callable(value)}
    return outer | {name: function for name, function in functions.items() if _traces(function)}


def _traces(value: Any) -> bool:
    return isinstance(value, tf.types.experimental.PolymorphicFunction)


start, wait, memory = device.start, device.wait, device.memory
empty_cache = device.empty_cache
probes = tensorflow_probes
to_numpy = step.to_numpy


def versions() -> tuple[str, ...]:
    """Keras, TensorFlow, and NumPy for the inputs."""
    return step.versions(f"tensorflow=={tf.__version__}")
