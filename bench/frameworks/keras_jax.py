"""Keras on JAX: `fit` and `train_on_batch` of a Sequential model; the step is one `jax.jit`, or runs op by op."""

import dataclasses
import inspect
from collections.abc import Sequence

import jax
import keras

from bench.framework import Output, Skip, Step
from bench.frameworks import _keras
from bench.frameworks import jax as backend
from bench.record import ModeProof
from bench.workload import EPSILON_HAT, Workload

MODES = {
    "fit-eager": "fit, one batch an epoch, compile(run_eagerly=True): each operation dispatched by itself",
    "fit": "fit, one batch an epoch, compile() as it comes: the step under jax.jit, its state donated",
    "fit-jit": "fit, one batch an epoch, compile(jit_compile=True): on JAX the same program as compile() as it comes",
    "batch-eager": "train_on_batch, compile(run_eagerly=True): each operation dispatched by itself",
    "batch": "train_on_batch, compile() as it comes: the step under jax.jit, its state donated",
    "batch-jit": "train_on_batch, compile(jit_compile=True): on JAX the same program as compile() as it comes",
}
BASELINE = {
    "fit-eager": "fit-eager",
    "fit": "fit-eager",
    "fit-jit": "fit-eager",
    "batch-eager": "batch-eager",
    "batch": "batch-eager",
    "batch-jit": "batch-eager",
}
LADDER = ("batch-eager", "batch-jit")
LIMITS = "jax"
ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    "KERAS_HOME": "{scratch}/keras",
    # as for JAX itself: its threads on a CPU, and every program kept on disk
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = EPSILON_HAT
FORWARD = _keras.FORWARD


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the mode's step: Keras' own, or one epoch of its loop."""
    return _keras.build(
        workload, mode, precision, _keras.Backend(gradient=_gradient, uncompiled=_keras.EAGER, prove=_prove)
    )


def _gradient(model: keras.Model, loss: _keras.Loss, x: jax.Array, y: jax.Array) -> Sequence[jax.Array]:
    untrained = [variable.value for variable in model.non_trainable_variables]

    def of_parameters(parameters: Sequence[jax.Array]) -> jax.Array:
        prediction, _ = model.stateless_call(parameters, untrained, x, training=True)
        value: jax.Array = loss(y, prediction)
        return value

    values = [variable.value for variable in model.trainable_variables]
    slopes: Sequence[jax.Array] = jax.jit(jax.grad(of_parameters))(values)
    return slopes


def _prove(model: keras.Model) -> ModeProof:
    """Return what JAX ran of Keras' step, by the programs that `jax.jit` keeps for it."""
    hidden = inspect.getclosurevars(model.train_function).nonlocals if model.train_function else {}
    programs = hidden["step_function"]._cache_size() if hidden and model.jit_compile else 0
    body = backend.Body()
    body.on_tracers = programs
    return dataclasses.replace(
        backend.found(
            _keras.COMPILED if programs else _keras.EAGER,
            body,
            parameter=model.trainable_variables[0].value,
            loss=None,
            entries=programs or None,
        ),
        evidence=f"jax.jit keeps {programs} programs for Keras' step; device and dtype are the first weight's",
    )


start, memory, probes = backend.start, backend.memory, backend.probes


def wait(outputs: Sequence[Output]) -> None:
    """Block until every array is computed: what Keras hands out is a number, its newest state is inside the model."""
    jax.block_until_ready(jax.live_arrays())


to_numpy = _keras.to_numpy


def versions() -> tuple[str, ...]:
    """Keras, JAX and its XLA, and NumPy for the inputs."""
    return _keras.versions(f"jax=={jax.__version__}", f"jaxlib=={jax.lib.__version__}")
