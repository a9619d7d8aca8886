"""Keras, whatever computes for it: `compile`, `fit` and `train_on_batch` of a Sequential model.

`train_on_batch` is one optimiser update in Keras' own step; it resets the loss metric first, so that the value is this
step's, and hands it out as a Python float: it waits for the device in every step. `fit` makes one batch an epoch and
adds what Keras does around an epoch: its data adapter, its callbacks, its history. Each backend's file has its own
MODES, the threads and caches of its backend, and the proof of what its backend ran.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import keras
import numpy as np

from bench.framework import Output, Skip, Step
from bench.record import ModeProof
from bench.workload import Adam, Array32, Array64, Sgd, Workload
from bench.workloads import pointwise, transformer

# How a step ran, as a backend finds it, and the ending of the mode that this is by itself
EAGER: Final = "eager"  # its Python ran in every step
GRAPH: Final = "graph"  # traced into a graph, not compiled
COMPILED: Final = "jit"
ENDING: Final[Mapping[str, str]] = {EAGER: "-eager", GRAPH: "", COMPILED: "-jit"}

COMPILE: Final[Mapping[str, Mapping[str, bool]]] = {
    "eager": {"run_eagerly": True},
    "": {},
    "jit": {"jit_compile": True},
}


Loss = Callable[[Any, Any], Any]  # of target and prediction


def _arrays(x: Any, y: Any) -> Mapping[str, Any]:
    return {"x": x, "y": y, "batch_size": len(x)}


@dataclass(frozen=True, slots=True)
class Backend:
    """What Keras does not say of the library that computes for it."""

    gradient: Callable[[keras.Model, Loss, Any, Any], Sequence[Any]]  # of the loss by the trainable variables
    uncompiled: str  # how a step runs that `compile` leaves uncompiled: EAGER or GRAPH
    prove: Callable[[keras.Model], ModeProof]  # as found; its mode is EAGER, GRAPH or COMPILED
    prepare: Callable[[keras.Model], None] = lambda model: None  # what has to be done before the first step
    feed: Callable[[Any, Any], Mapping[str, Any]] = _arrays  # x and y, as `fit` takes them fastest, an epoch a batch


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model, whose weights come in the order of the workload's parameters, and its loss."""

    model: Callable[[Workload], keras.Model]
    loss: Loss


def _regression(workload: Workload) -> keras.Model:
    return keras.Sequential([keras.Input(workload.inputs["x"].shape[1:]), keras.layers.Dense(1)])


def _mlp(workload: Workload) -> keras.Model:
    hidden = len(workload.parameters["layer1.bias"])
    layers = [keras.layers.Dense(hidden, "relu"), keras.layers.Dense(hidden, "relu"), keras.layers.Dense(10)]
    return keras.Sequential([keras.Input(workload.inputs["x"].shape[1:]), *layers])


def _convnet(workload: Workload) -> keras.Model:
    def convolution(channels: int, h: Any, activation: str | None = "relu") -> Any:
        return keras.layers.Conv2D(channels, 3, padding="same", activation=activation)(h)

    def block(channels: int, h: Any) -> Any:
        return keras.ops.relu(h + convolution(channels, convolution(channels, h), None))

    c = len(workload.parameters["stem.bias"])
    x = keras.Input(workload.inputs["x"].shape[1:])
    h = keras.layers.AveragePooling2D(2)(block(c, convolution(c, x)))
    h = block(2 * c, convolution(2 * c, h))
    return keras.Model(x, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(h)))


class _Bias(keras.layers.Layer):  # type: ignore[misc]
    def build(self, shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros")

    def call(self, h: Any) -> Any:
        return h + self.bias


def _pointwise(workload: Workload) -> keras.Model:
    h = x = keras.Input(workload.inputs["x"].shape[1:])
    for _ in pointwise.BLOCKS:
        h = keras.ops.gelu(_Bias()(h), approximate=True) + h
        h = keras.layers.LayerNormalization(epsilon=pointwise.EPSILON)(h)
    return keras.Model(x, h)


def _transformer(attend: Callable[..., Any], workload: Workload) -> keras.Model:
    tokens, width = workload.inputs["x"].shape[1:]
    heads = transformer.heads(width)

    def normal(h: Any) -> Any:
        return keras.layers.LayerNormalization(epsilon=pointwise.EPSILON)(h)

    h = x = keras.Input((tokens, width))
    for _ in transformer.blocks(workload.parameters):
        qkv = keras.layers.Dense(3 * width, use_bias=False)(normal(h))
        qkv = keras.ops.reshape(qkv, (-1, tokens, 3, heads, width // heads))
        mixed = attend(*(qkv[:, :, which] for which in range(3)))  # (n, tokens, heads, d)
        h = h + keras.layers.Dense(width)(keras.ops.reshape(mixed, (-1, tokens, width)))
        up = keras.layers.Dense(4 * width)(normal(h))
        h = h + keras.layers.Dense(width)(keras.ops.gelu(up, approximate=True))
    return keras.Model(x, keras.layers.Dense(transformer.CLASSES)(normal(h)))


def _attend_naively(q: Any, k: Any, v: Any) -> Any:
    scores = keras.ops.einsum("nqhd,nkhd->nhqk", q, k) / q.shape[-1] ** 0.5
    seen = np.tril(np.ones((q.shape[1], q.shape[1]), dtype=bool))
    return keras.ops.einsum("nhqk,nkhd->nqhd", keras.ops.softmax(keras.ops.where(seen, scores, -np.inf)), v)


def _attend_fused(q: Any, k: Any, v: Any) -> Any:
    return keras.ops.dot_product_attention(q, k, v, is_causal=True)


SQUARED = keras.losses.MeanSquaredError()
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
FORWARD = {
    "regression": Forward(_regression, SQUARED),
    "regression_wide": Forward(_regression, SQUARED),
    "pointwise": Forward(_pointwise, SQUARED),
    "mlp": Forward(_mlp, CROSS_ENTROPY),
    "convnet": Forward(_convnet, CROSS_ENTROPY),
    "transformer": Forward(partial(_transformer, _attend_fused), CROSS_ENTROPY),
    "transformer_naive": Forward(partial(_transformer, _attend_naively), CROSS_ENTROPY),
}


def build(workload: Workload, mode: str, precision: str, backend: Backend) -> Step | Skip:
    """Return `fit` or `train_on_batch` of the model, compiled in the sense of Keras."""
    if precision != "float32":
        return Skip(f"Keras is measured in float32 only, not {precision}")
    method, _, ending = mode.partition("-")
    forward = FORWARD[workload.name]
    initial = list(workload.parameters.values())
    model = forward.model(workload)
    model.set_weights(initial)
    optimizer = optimizer_of(workload.optimizer)
    model.compile(optimizer=optimizer, loss=forward.loss, **COMPILE[ending])
    optimizer.build(model.trainable_variables)
    backend.prepare(model)
    fresh = _copies(optimizer.variables)
    x, y = (keras.ops.convert_to_tensor(workload.inputs[name]) for name in ("x", "y"))
    data = backend.feed(x, y)

    def fit(epochs: int) -> Sequence[float]:
        history = model.fit(**data, epochs=epochs, shuffle=False, verbose=0)
        return history.history["loss"]  # type: ignore[no-any-return]  # Keras has no types

    def reset() -> None:
        model.set_weights(initial)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)

    def proof() -> ModeProof:
        found = backend.prove(model)
        asked_for = {"eager": EAGER, "jit": COMPILED, "": COMPILED if model.jit_compile else backend.uncompiled}
        ran = mode if found.mode == asked_for[ending] else method + ENDING[found.mode]
        words = f"run_eagerly is {model.run_eagerly}, jit_compile came out as {model.jit_compile}; {found.evidence}"
        return dataclasses.replace(found, mode=ran, evidence=words)

    def gradient() -> Mapping[str, Array32]:
        slopes = backend.gradient(model, forward.loss, x, y)
        return dict(zip(workload.parameters, _copies(slopes), strict=True))

    return Step(
        call=(lambda: model.train_on_batch(x, y)) if method == "batch" else None,
        fit=fit if method == "fit" else None,
        reset=reset,
        parameters=lambda: dict(zip(workload.parameters, _copies(model.weights), strict=True)),
        gradient=gradient,
        proof=proof,
    )


def _copies(variables: Sequence[Any]) -> list[Array32]:
    """Return the variables' values; on PyTorch NumPy would otherwise look into the very memory that is trained."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def optimizer_of(optimizer: Adam | Sgd) -> Any:
    """Return Keras' optimiser with the workload's constants."""
    if isinstance(optimizer, Sgd):
        return keras.optimizers.SGD(optimizer.learning_rate)
    return keras.optimizers.Adam(
        optimizer.learning_rate, beta_1=optimizer.beta1, beta_2=optimizer.beta2, epsilon=optimizer.epsilon
    )


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,)."""
    return np.concatenate([np.ravel(losses) for losses in outputs]).astype(np.float64)


def versions(*computing: str) -> tuple[str, ...]:
    """Return "name==version" of Keras, of what computes for it, and of NumPy for the inputs."""
    return (f"keras=={keras.__version__}", *computing, f"numpy=={np.__version__}")
