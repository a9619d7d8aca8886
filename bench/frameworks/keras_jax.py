"""Keras on JAX: `fit` and `train_on_batch`; the step is one `jax.jit`, or runs op by op."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from bench.frameworks._jax import device
from bench.frameworks._jax.probes import jax_probes
from bench.frameworks._jax.proof import Body, proof_of
from bench.frameworks._keras import models, step
from bench.frameworks._keras.backend import COMPILED, EAGER, Backend
from bench.frameworks._keras.proof import step_of
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import EPSILON_HAT, Workload

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
FORMS = {"transformer": "keras.ops.dot_product_attention"}
ALLOCATORS = "jax"
ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    "KERAS_HOME": "{scratch}/keras",
    # as for JAX itself: its threads on a CPU, and every program kept on disk
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ERA = 2023
PERIOD = "today"
ADAM = EPSILON_HAT
FORWARD = models.FORWARD
AMPERE = 8.0  # the first compute capability with TF32
# the dtypes of the two arrays that a product of StableHLO multiplies
PRODUCT = r"stablehlo\.(?:dot_general|convolution).*: \(tensor<(?:\d+x)*(\w+)>, tensor<(?:\d+x)*(\w+)>\) ->"
DTYPES = {"bf16": "bfloat16", "f32": "float32"}


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the mode's step: Keras' own, or one epoch of its loop."""
    return step.build(workload, mode, precision, backend())


def backend() -> Backend:
    """Return what JAX gives to Keras' step."""
    return Backend(
        gradient=_gradient,
        uncompiled=EAGER,
        prove=_prove,
        products=_products,
        round_to_tf32=_round_to_tf32,
        forget=_forget,
    )


def _forget(model: keras.Model) -> None:
    """Drop the state that `train_on_batch` leaves for callbacks: it would be a second one beside that of a reset."""
    model._jax_state = None


def _round_to_tf32() -> str:
    gpu = device.chosen()
    if gpu.platform != "gpu":
        return "TF32 needs an NVIDIA GPU: JAX computes on the CPU"
    if float(gpu.compute_capability) < AMPERE:
        return f"TF32 needs an NVIDIA GPU of compute capability {AMPERE}, this one has {gpu.compute_capability}"
    jax.config.update("jax_default_matmul_precision", "tensorfloat32")
    return ""


def _products(model: keras.Model, x: jax.Array) -> set[str]:
    """Return the dtypes that products take in the model's StableHLO, lowered and not compiled."""
    trained, others = (
        [variable.value for variable in each] for each in (model.trainable_variables, model.non_trainable_variables)
    )
    text = jax.jit(lambda *values: model.stateless_call(*values)[0]).lower(trained, others, x).as_text()
    return {DTYPES.get(name, name) for both in re.findall(PRODUCT, text) for name in both}


def _gradient(model: keras.Model, loss: models.Loss, x: jax.Array, y: jax.Array) -> Sequence[jax.Array]:
    untrained = [variable.value for variable in model.non_trainable_variables]

    def of_parameters(parameters: Sequence[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        prediction, _ = model.stateless_call(parameters, untrained, x, training=True)
        value: jax.Array = loss(y, prediction)
        return value

    values = [variable.value for variable in model.trainable_variables]
    slopes: Sequence[jax.Array] = jax.jit(jax.grad(of_parameters))(values, x, y)
    return slopes


def _prove(model: keras.Model) -> ModeProof:
    """Return what JAX ran of Keras' step, by the programs that `jax.jit` keeps for it."""
    keras_step = step_of(model)
    programs = jitted(keras_step)._cache_size() if keras_step and model.jit_compile else 0
    body = Body()
    body.on_tracers = programs
    return dataclasses.replace(
        proof_of(
            COMPILED if programs else EAGER,
            body,
            parameter=model.trainable_variables[0].value,
            loss=None,
            entries=programs or None,
        ),
        evidence=f"jax.jit keeps {programs} programs for Keras' step; device and dtype are the first weight's",
    )


def jitted(step: Callable[..., Any]) -> Any:
    """Return what Keras gave to `jax.jit`, out of the closure of its step, or of the one inside to predict."""
    hidden = inspect.getclosurevars(step).nonlocals
    return hidden["step_function"] if "step_function" in hidden else jitted(hidden["_step_function"])


def wait(outputs: Sequence[Output]) -> None:
    """Block until every array is computed: Keras returns a number, and its newest state is inside the model."""
    jax.block_until_ready(jax.live_arrays())


start, to_numpy, memory = device.start, step.to_numpy, device.memory
empty_cache = device.empty_cache
probes = jax_probes


def versions() -> tuple[str, ...]:
    """Keras, JAX and its XLA, and NumPy for the inputs."""
    return step.versions(f"jax=={jax.__version__}", f"jaxlib=={jax.lib.__version__}")
