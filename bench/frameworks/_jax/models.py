"""The workloads in plain JAX: pure functions from parameters and x to predictions, and the loss of those.

In bfloat16 the weights and x are cast as the forward pass begins, inside what is differentiated, so that gradients come
back in float32. In float32 are layer norms, the softmax of the attention, the loss, and the addition of a bias: the
gradient of a bias is a sum over all samples and pixels, which XLA on the CPU would make in bfloat16, where it stops
growing: the convnet at S lost 90 % of such a gradient.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from bench.frameworks._jax.device import chosen
from bench.frameworks._jax.precision import cast
from bench.workloads import pointwise, transformer

Arrays = Mapping[str, jax.Array]


@dataclass(frozen=True, slots=True)
class Model:
    """One workload's forward pass and the loss of its predictions."""

    predict: Callable[[Arrays, jax.Array], jax.Array]
    criterion: Callable[[jax.Array, jax.Array], jax.Array]  # (predictions, y) -> mean loss, ()

    def loss(self, parameters: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        """Return the mean loss, a float32 scalar."""
        return self.criterion(self.predict(parameters, x), y)

    def mixed(self, dtype: Any) -> "Model":
        """Return the model that computes in `dtype` from the same float32 parameters and x."""
        if dtype == jnp.float32:
            return self

        def predict(parameters: Arrays, x: jax.Array) -> jax.Array:
            narrow = {name: cast(p, dtype) if name.endswith("weight") else p for name, p in parameters.items()}
            return self.predict(narrow, cast(x, dtype))

        return dataclasses.replace(self, predict=predict)


def _squared_error(predictions: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(cast(predictions, jnp.float32) - y))


def _cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    log_probabilities = jax.nn.log_softmax(cast(logits, jnp.float32))
    return -jnp.mean(jnp.take_along_axis(log_probabilities, y[..., None], axis=-1))


def biased(h: jax.Array, bias: jax.Array) -> jax.Array:
    """Return h + bias in h's dtype, added in the bias's."""
    return cast(h + bias, h.dtype)


def _dense(parameters: Arrays, layer: str, h: jax.Array) -> jax.Array:
    return biased(h @ parameters[f"{layer}.weight"], parameters[f"{layer}.bias"])


def _normal(parameters: Arrays, name: str, h: jax.Array) -> jax.Array:
    standard = jax.nn.standardize(cast(h, jnp.float32), epsilon=pointwise.EPSILON)
    return cast(standard * parameters[f"{name}.gain"] + parameters[f"{name}.shift"], h.dtype)


def _regression(parameters: Arrays, x: jax.Array) -> jax.Array:
    return biased(x @ parameters["weight"], parameters["bias"])  # (n, 1)


def _mlp(parameters: Arrays, x: jax.Array) -> jax.Array:
    dense = partial(_dense, parameters)
    return dense("layer3", jax.nn.relu(dense("layer2", jax.nn.relu(dense("layer1", x)))))  # (n, 10)


def _convnet(parameters: Arrays, x: jax.Array) -> jax.Array:
    def convolution(layer: str, h: jax.Array) -> jax.Array:
        h = jax.lax.conv_general_dilated(
            h, parameters[f"{layer}.weight"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return biased(h, parameters[f"{layer}.bias"])

    def block(name: str, h: jax.Array) -> jax.Array:
        return jax.nn.relu(h + convolution(f"{name}.second", jax.nn.relu(convolution(f"{name}.first", h))))

    h = block("block1", jax.nn.relu(convolution("stem", x)))
    n, height, width, channels = h.shape
    h = jnp.mean(h.reshape(n, height // 2, 2, width // 2, 2, channels), axis=(2, 4))
    h = block("block2", jax.nn.relu(convolution("down", h)))
    return _dense(parameters, "head", jnp.mean(h, axis=(1, 2)))  # (n, 10)


def _pointwise(parameters: Arrays, x: jax.Array) -> jax.Array:
    for block in pointwise.BLOCKS:
        x = jax.nn.gelu(biased(x, parameters[f"{block}.bias"]), approximate=True) + x
        x = _normal(parameters, f"{block}.norm", x)
    return x  # (rows, width)


def _transformer(attend: Callable[..., jax.Array], parameters: Arrays, x: jax.Array) -> jax.Array:
    dense, normal = partial(_dense, parameters), partial(_normal, parameters)
    n, tokens, width = x.shape
    for block in transformer.blocks(parameters):
        qkv = normal(f"{block}.norm1", x) @ parameters[f"{block}.qkv.weight"]
        q, k, v = jnp.moveaxis(qkv.reshape(n, tokens, 3, transformer.heads(width), -1), 2, 0)  # (n, tokens, heads, d)
        x = x + dense(f"{block}.out", attend(q, k, v).reshape(n, tokens, width))
        up = dense(f"{block}.up", normal(f"{block}.norm2", x))
        x = x + dense(f"{block}.down", jax.nn.gelu(up, approximate=True))
    return dense("head", normal("norm", x))  # (n, tokens, classes)


def attend_naively(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Return causal attention of (n, tokens, heads, d), each operation by itself."""
    scores = cast(jnp.einsum("nqhd,nkhd->nhqk", q, k), jnp.float32) / np.float32(q.shape[-1] ** 0.5)
    visible = jnp.tril(jnp.ones((q.shape[1], q.shape[1]), dtype=bool))
    weights = cast(jax.nn.softmax(jnp.where(visible, scores, -jnp.inf)), v.dtype)
    return jnp.einsum("nhqk,nkhd->nqhd", weights, v)


def attend_fused(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Return the same by JAX's own function; cuDNN's kernel takes bfloat16 only and has to be requested."""
    on_gpu = chosen().platform == "gpu"
    kernel = "cudnn" if on_gpu and q.dtype == jnp.bfloat16 else None
    return jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation=kernel)


FORWARD: Final = {
    "regression": Model(_regression, _squared_error),
    "regression_wide": Model(_regression, _squared_error),
    "mlp": Model(_mlp, _cross_entropy),
    "convnet": Model(_convnet, _cross_entropy),
    "pointwise": Model(_pointwise, _squared_error),
    "transformer": Model(partial(_transformer, attend_fused), _cross_entropy),
    "transformer_naive": Model(partial(_transformer, attend_naively), _cross_entropy),
}
