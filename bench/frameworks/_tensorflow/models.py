"""The workloads in plain TensorFlow: functions from parameters and x to predictions, and the loss of those."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf

from bench.workloads import pointwise, transformer

NORMS: Final = (".gain", ".shift")  # endings of the parameters of layer norms, which stay in float32

Tensors = Mapping[str, Any]
Predict = Callable[[Tensors, tf.Tensor], tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's forward pass, the loss of its predictions, and the dtype of its products."""

    model: Predict
    criterion: Loss  # (predictions, y) -> mean loss, ()
    dtype: tf.DType = tf.float32

    def predict(self, parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
        """Return the predictions, in the dtype of the products."""
        rounded = {
            name: value if name.endswith(NORMS) else _cast(value, self.dtype) for name, value in parameters.items()
        }
        return self.model(rounded, _cast(x, self.dtype))

    def loss(self, predictions: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Return the loss, computed in float32."""
        return self.criterion(_cast(predictions, tf.float32), y)


def _cast(tensor: Any, dtype: tf.DType) -> Any:
    """Return the tensor in this dtype; the tensor or variable itself where it has that dtype already."""
    return tensor if tensor.dtype == dtype else tf.cast(tensor, dtype)


def _squared_error(prediction: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(prediction - y))


def _cross_entropy(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))


def _regression(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    return tf.matmul(x, parameters["weight"]) + parameters["bias"]  # (n, 1)


def _mlp(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    def dense(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, parameters[f"{layer}.weight"]) + parameters[f"{layer}.bias"]

    return dense("layer3", tf.nn.relu(dense("layer2", tf.nn.relu(dense("layer1", x)))))


def _convnet(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    def convolution(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(h, parameters[f"{layer}.weight"], 1, "SAME") + parameters[f"{layer}.bias"]

    def block(name: str, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(h + convolution(f"{name}.second", tf.nn.relu(convolution(f"{name}.first", h))))

    h = block("block1", tf.nn.relu(convolution("stem", x)))
    h = block("block2", tf.nn.relu(convolution("down", tf.nn.avg_pool2d(h, 2, 2, "VALID"))))
    mean = _cast(tf.reduce_mean(_cast(h, tf.float32), axis=[1, 2]), h.dtype)
    return tf.matmul(mean, parameters["head.weight"]) + parameters["head.bias"]


def _pointwise(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    h = x
    for block in pointwise.BLOCKS:
        h = tf.nn.gelu(h + parameters[f"{block}.bias"], approximate=True) + h
        h = _normal(parameters, f"{block}.norm", h)
    return h


def _normal(parameters: Tensors, name: str, h: tf.Tensor) -> tf.Tensor:
    wide = _cast(h, tf.float32)
    mean, variance = tf.nn.moments(wide, axes=[-1], keepdims=True)
    gain, shift = parameters[f"{name}.gain"], parameters[f"{name}.shift"]
    return _cast(tf.nn.batch_normalization(wide, mean, variance, shift, gain, pointwise.EPSILON), h.dtype)


def _transformer(parameters: Tensors, x: tf.Tensor) -> tf.Tensor:
    def dense(layer: str, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, parameters[f"{layer}.weight"]) + parameters[f"{layer}.bias"]

    h = x
    n, tokens, width = h.shape
    heads = transformer.heads(width)
    visible = tf.linalg.band_part(tf.ones((tokens, tokens), dtype=tf.bool), -1, 0)
    for block in transformer.blocks(parameters):
        qkv = tf.matmul(_normal(parameters, f"{block}.norm1", h), parameters[f"{block}.qkv.weight"])
        q, k, v = tf.unstack(tf.transpose(tf.reshape(qkv, (n, tokens, 3, heads, width // heads)), (2, 0, 3, 1, 4)))
        scores = _cast(tf.matmul(q, k, transpose_b=True), tf.float32)  # (n, heads, tokens, tokens)
        share = tf.nn.softmax(tf.where(visible, scores / np.float32((width // heads) ** 0.5), -np.inf))
        mixed = tf.matmul(_cast(share, v.dtype), v)
        h += dense(f"{block}.out", tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (n, tokens, width)))
        up = dense(f"{block}.up", _normal(parameters, f"{block}.norm2", h))
        h += dense(f"{block}.down", tf.nn.gelu(up, approximate=True))
    return dense("head", _normal(parameters, "norm", h))


FORWARD: Mapping[str, Forward] = {
    "regression": Forward(_regression, _squared_error),
    "regression_wide": Forward(_regression, _squared_error),
    "mlp": Forward(_mlp, _cross_entropy),
    "convnet": Forward(_convnet, _cross_entropy),
    "pointwise": Forward(_pointwise, _squared_error),
    # TensorFlow has no fused attention: separate operations, which XLA fuses as far as it can, are its best form, too
    "transformer": Forward(_transformer, _cross_entropy),
    "transformer_naive": Forward(_transformer, _cross_entropy),
}
