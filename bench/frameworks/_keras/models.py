"""The workloads in Keras, for every backend: each a model whose weights come in the workload's order, and its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from bench.reference.workload import Workload
from bench.workloads import pointwise, transformer

Loss = Callable[[Any, Any], Any]  # of target and prediction


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model, whose weights come in the order of the workload's parameters, and its loss."""

    model: Callable[[Workload], keras.Model]
    loss: Loss


def _regression(workload: Workload) -> keras.Model:
    return keras.Sequential([keras.Input(workload.batch.x.shape[1:]), keras.layers.Dense(1)])


def _mlp(workload: Workload) -> keras.Model:
    hidden = len(workload.parameters["layer1.bias"])
    layers = [keras.layers.Dense(hidden, "relu"), keras.layers.Dense(hidden, "relu"), keras.layers.Dense(10)]
    return keras.Sequential([keras.Input(workload.batch.x.shape[1:]), *layers])


def _convnet(workload: Workload) -> keras.Model:
    def convolution(channels: int, h: Any, activation: str | None = "relu") -> Any:
        return keras.layers.Conv2D(channels, 3, padding="same", activation=activation)(h)

    def block(channels: int, h: Any) -> Any:
        return keras.ops.relu(h + convolution(channels, convolution(channels, h), None))

    c = len(workload.parameters["stem.bias"])
    x = keras.Input(workload.batch.x.shape[1:])
    h = keras.layers.AveragePooling2D(2)(block(c, convolution(c, x)))
    h = block(2 * c, convolution(2 * c, h))
    return keras.Model(x, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(h)))


def _as_layers_do(x: Any) -> Any:
    """Return a model's input in the dtype that layers cast their inputs to; `keras.ops` casts nothing."""
    return _cast(x, keras.config.dtype_policy().compute_dtype)


def _cast(h: Any, dtype: str) -> Any:
    return h if h.dtype == dtype else keras.ops.cast(h, dtype)


class _Bias(keras.layers.Layer):  # type: ignore[misc]
    def build(self, shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros")

    def call(self, h: Any) -> Any:
        return h + self.bias


def _pointwise(workload: Workload) -> keras.Model:
    x = keras.Input(workload.batch.x.shape[1:])
    h = _as_layers_do(x)
    for _ in pointwise.BLOCKS:
        h = keras.ops.gelu(_Bias()(h), approximate=True) + h
        h = keras.layers.LayerNormalization(epsilon=pointwise.EPSILON)(h)
    return keras.Model(x, h)


def _transformer(attend: Callable[..., Any], workload: Workload) -> keras.Model:
    tokens, width = workload.batch.x.shape[1:]
    heads = transformer.heads(width)

    def normal(h: Any) -> Any:
        return keras.layers.LayerNormalization(epsilon=pointwise.EPSILON)(h)

    x = keras.Input((tokens, width))
    h = _as_layers_do(x)
    for _ in transformer.blocks(workload.parameters):
        qkv = keras.layers.Dense(3 * width, use_bias=False)(normal(h))
        qkv = keras.ops.reshape(qkv, (-1, tokens, 3, heads, width // heads))
        mixed = attend(*(qkv[:, :, part] for part in range(3)))  # (n, tokens, heads, d)
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
        visible = keras.ops.tril(keras.ops.ones((q.shape[1], q.shape[1]), dtype="bool"))
        share = keras.ops.softmax(keras.ops.where(visible, keras.ops.cast(scores, "float32"), float("-inf")))
        return keras.ops.einsum("nhqk,nkhd->nqhd", keras.ops.cast(share, v.dtype), v)


def _attend_fused(q: Any, k: Any, v: Any) -> Any:
    # PyTorch chooses a flash kernel by itself; the same check made by Keras cannot be traced by Dynamo
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
