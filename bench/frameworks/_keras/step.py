"""Keras, whatever computes for it: `compile`, `fit`, `train_on_batch` and `predict_on_batch` of a model.

`train_on_batch` is one optimiser update in Keras' own step; it resets the loss metric first, so that the value is this
step's, and hands it out as a Python float: it waits for the device in every step. `fit` makes one batch an epoch and
adds what Keras does around an epoch: its data adapter, its callbacks, its history. Each backend's file has its own
MODES, the threads and caches of its backend, and the proof of what its backend ran.

A forward pass is `predict_on_batch`, the sibling of `train_on_batch` under the same `compile`: it hands the predictions
out as NumPy's, so it waits and copies in every step. A fit has no forward pass.

bfloat16 is Keras' policy "mixed_bfloat16": variables in float32, layers in bfloat16, and, as its guide advises, a last
layer that hands the predictions out in float32. Layer norms and the fused attention widen what they need themselves;
what is written with `keras.ops` does as the layers do: inputs are cast to the policy's dtype, a softmax is in float32.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import keras
import numpy as np

from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.precision import BFLOAT16, FLOAT32, TF32
from bench.reference.workload import Adam, Array32, Array64, Sgd, Workload
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

POLICY: Final[Mapping[str, str]] = {FLOAT32: "float32", TF32: "float32", BFLOAT16: "mixed_bfloat16"}

Loss = Callable[[Any, Any], Any]  # of target and prediction


def _arrays(x: Any, y: Any) -> Mapping[str, Any]:
    return {"x": x, "y": y, "batch_size": len(x)}


@dataclass(frozen=True, slots=True)
class Backend:
    """What Keras does not say of the library that computes for it."""

    gradient: Callable[[keras.Model, Loss, Any, Any], Sequence[Any]]  # of the loss by the trainable variables
    uncompiled: str  # how a step runs that `compile` leaves uncompiled: EAGER or GRAPH
    prove: Callable[[keras.Model], ModeProof]  # as found; its mode is EAGER, GRAPH or COMPILED
    products: Callable[[keras.Model, Any], set[str]]  # dtypes of what the model multiplies, for a batch
    round_to_tf32: Callable[[], str]  # let it; why it cannot be, as one sentence, or nothing
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


def _as_the_layers(x: Any) -> Any:
    """Return a model's input in the dtype that layers cast theirs to; `keras.ops` would take it as it comes."""
    return _cast(x, keras.config.dtype_policy().compute_dtype)


def _cast(h: Any, dtype: str) -> Any:
    return h if h.dtype == dtype else keras.ops.cast(h, dtype)


class _Bias(keras.layers.Layer):  # type: ignore[misc]
    def build(self, shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros")

    def call(self, h: Any) -> Any:
        return h + self.bias


def _pointwise(workload: Workload) -> keras.Model:
    x = keras.Input(workload.inputs["x"].shape[1:])
    h = _as_the_layers(x)
    for _ in pointwise.BLOCKS:
        h = keras.ops.gelu(_Bias()(h), approximate=True) + h
        h = keras.layers.LayerNormalization(epsilon=pointwise.EPSILON)(h)
    return keras.Model(x, h)


def _transformer(attend: Callable[..., Any], workload: Workload) -> keras.Model:
    tokens, width = workload.inputs["x"].shape[1:]
    heads = transformer.heads(width)

    def normal(h: Any) -> Any:
        return keras.layers.LayerNormalization(epsilon=pointwise.EPSILON)(h)

    x = keras.Input((tokens, width))
    h = _as_the_layers(x)
    for _ in transformer.blocks(workload.parameters):
        qkv = keras.layers.Dense(3 * width, use_bias=False)(normal(h))
        qkv = keras.ops.reshape(qkv, (-1, tokens, 3, heads, width // heads))
        mixed = attend(*(qkv[:, :, which] for which in range(3)))  # (n, tokens, heads, d)
        h = h + keras.layers.Dense(width)(keras.ops.reshape(mixed, (-1, tokens, width)))
        up = keras.layers.Dense(4 * width)(normal(h))
        h = h + keras.layers.Dense(width)(keras.ops.gelu(up, approximate=True))
    return keras.Model(x, keras.layers.Dense(transformer.CLASSES)(normal(h)))


def _attend_naively(q: Any, k: Any, v: Any) -> Any:
    return _NaiveAttention()(q, k, v)


class _NaiveAttention(keras.layers.Layer):  # type: ignore[misc]
    """Causal attention of (n, tokens, heads, d), each operation by itself; its mask is made where it is used."""

    def call(self, q: Any, k: Any, v: Any) -> Any:
        scores = keras.ops.einsum("nqhd,nkhd->nhqk", q, k) / q.shape[-1] ** 0.5
        seen = keras.ops.tril(keras.ops.ones((q.shape[1], q.shape[1]), dtype="bool"))
        share = keras.ops.softmax(keras.ops.where(seen, keras.ops.cast(scores, "float32"), float("-inf")))
        return keras.ops.einsum("nhqk,nkhd->nqhd", keras.ops.cast(share, v.dtype), v)


def _attend_fused(q: Any, k: Any, v: Any) -> Any:
    # PyTorch looks by itself whether a flash kernel fits; the same question asked by Keras, Dynamo cannot trace
    flash = False if keras.backend.backend() == "torch" else None
    return keras.ops.dot_product_attention(q, k, v, is_causal=True, flash_attention=flash)


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
    """Return `fit` or `train_on_batch` of the model, or `predict_on_batch`, compiled in the sense of Keras."""
    method, _, ending = mode.partition("-")
    if method == "fit" and not workload.trains:
        return Skip("a fit trains: there is none in a forward pass")
    if precision == TF32 and (missing := backend.round_to_tf32()):
        return Skip(missing)
    keras.config.set_dtype_policy(POLICY[precision])
    model = FORWARD[workload.name].model(workload)
    if precision == BFLOAT16:
        model = keras.Model(model.inputs, keras.layers.Activation("linear", dtype="float32")(model.outputs[0]))
    model.set_weights(list(workload.parameters.values()))
    if workload.trains:
        return _training(workload, model, method, ending, backend)
    return _inference(workload, model, ending, backend)


def _training(workload: Workload, model: keras.Model, method: str, ending: str, backend: Backend) -> Step:
    loss = FORWARD[workload.name].loss
    initial = list(workload.parameters.values())
    optimizer = optimizer_of(workload.optimizer)
    model.compile(optimizer=optimizer, loss=loss, **COMPILE[ending])
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

    def gradient() -> Mapping[str, Array32]:
        slopes = backend.gradient(model, loss, x, y)
        return dict(zip(workload.parameters, _copies(slopes), strict=True))

    precisions = _precisions(model, x, backend)
    return Step(
        call=(lambda: model.train_on_batch(x, y)) if method == "batch" else None,
        fit=fit if method == "fit" else None,
        reset=reset,
        parameters=lambda: _parameters(workload, model),
        gradient=gradient,
        proof=lambda: _proof(model, method, ending, backend, precisions()),
    )


def _inference(workload: Workload, model: keras.Model, ending: str, backend: Backend) -> Step:
    model.compile(**COMPILE[ending])
    x = keras.ops.convert_to_tensor(workload.inputs["x"])
    last: Any = None

    def call() -> Any:
        nonlocal last
        last = model.predict_on_batch(x)
        return last

    def proof() -> ModeProof:
        found = _proof(model, "batch", ending, backend, precisions())
        return dataclasses.replace(found, output_precision="" if last is None else last.dtype.name)

    precisions = _precisions(model, x, backend)
    return Step(
        call=call,
        reset=lambda: None,  # nothing is trained
        parameters=lambda: _parameters(workload, model),
        proof=proof,
        inference=True,
    )


def _parameters(workload: Workload, model: keras.Model) -> Mapping[str, Array32]:
    return dict(zip(workload.parameters, _copies(model.weights), strict=True))


def _precisions(model: keras.Model, x: Any, backend: Backend) -> Callable[[], str]:
    """Return what looks, once, at the dtypes that layers with weights say and that the model's products take.

    What Keras compiles or runs is hidden in its step: the backend shows the products of the same model called by
    itself.
    """
    layers = [layer for layer in model.layers if layer.weights]
    return cache(lambda: ", ".join(sorted({layer.compute_dtype for layer in layers} | backend.products(model, x))))


def _proof(model: keras.Model, method: str, ending: str, backend: Backend, compute_precision: str) -> ModeProof:
    """Return what the backend found, in the words of MODES."""
    found = backend.prove(model)
    asked_for = {"eager": EAGER, "jit": COMPILED, "": COMPILED if model.jit_compile else backend.uncompiled}
    took = f"-{ending}".rstrip("-") if found.mode == asked_for[ending] else ENDING[found.mode]
    return dataclasses.replace(
        found,
        mode=method + took,
        compute_precision=compute_precision,
        evidence=f"run_eagerly is {model.run_eagerly}, jit_compile came out as {model.jit_compile}; {found.evidence}; "
        f"the policy of new layers is {keras.config.dtype_policy().name}",
    )


def step_of(model: keras.Model) -> Any:
    """Return what `fit`, `train_on_batch` or `predict_on_batch` runs; None before the first step."""
    return model.train_function or model.predict_function


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
    """Return the losses, shape (steps,), or the last predictions, shape (n,): these have a row for each sample."""
    told = outputs[-1:] if np.ndim(outputs[-1]) > 1 else outputs
    return np.concatenate([np.ravel(each) for each in told]).astype(np.float64)


def versions(*computing: str) -> tuple[str, ...]:
    """Return "name==version" of Keras, of what computes for it, and of NumPy for the inputs."""
    return (f"keras=={keras.__version__}", *computing, f"numpy=={np.__version__}")
