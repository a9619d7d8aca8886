"""The workloads in Flax: each a module of `nnx`, with the loss of its predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype

from bench.frameworks._jax.models import attend_fused, attend_naively, biased
from bench.frameworks._jax.precision import cast
from bench.reference.workload import Workload
from bench.workloads import pointwise, transformer


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model and the loss of its predictions."""

    model: Callable[[Workload, Any, nnx.Rngs], Any]  # (workload, dtype of its layers, seeds) -> model
    criterion: Callable[[jax.Array, jax.Array], jax.Array]  # (predictions, y) -> mean loss, ()


def _all_but_bias(arrays: Sequence[Any], *, dtype: Any) -> tuple[Any, ...]:
    *operands, bias = arrays
    return (*promote_dtype(operands, dtype=dtype), bias)


class _FloatBias(nnx.Module):  # type: ignore[misc]
    """A layer of Flax that adds its bias as it is, in float32, and returns its own dtype."""

    def __init__(self, *shape: Any, **options: Any) -> None:
        super().__init__(*shape, promote_dtype=_all_but_bias, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        return cast(super().__call__(x), self.dtype)


class _Linear(_FloatBias, nnx.Linear): ...  # type: ignore[misc]


class _Conv(_FloatBias, nnx.Conv): ...  # type: ignore[misc]


class _Mlp(nnx.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload, dtype: Any, rngs: nnx.Rngs) -> None:
        self.layer1, self.layer2, self.layer3 = (
            _Linear(*workload.parameters[f"layer{number}.weight"].shape, dtype=dtype, rngs=rngs) for number in (1, 2, 3)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.layer3(jax.nn.relu(self.layer2(jax.nn.relu(self.layer1(x)))))


def _squared_error(predictions: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(cast(predictions, jnp.float32) - y))


def _cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(cast(logits, jnp.float32), y))


class _Block(nnx.Module):  # type: ignore[misc]
    def __init__(self, width: int, dtype: Any, rngs: nnx.Rngs) -> None:
        self.bias = nnx.Param(jnp.zeros(width))
        self.norm = nnx.LayerNorm(width, epsilon=pointwise.EPSILON, dtype=dtype, rngs=rngs)

    def __call__(self, h: jax.Array) -> jax.Array:
        return self.norm(jax.nn.gelu(biased(h, self.bias), approximate=True) + h)


class _Pointwise(nnx.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload, dtype: Any, rngs: nnx.Rngs) -> None:
        for name in pointwise.BLOCKS:
            setattr(self, name, _Block(workload.batch.x.shape[1], dtype, rngs))

    def __call__(self, h: jax.Array) -> jax.Array:
        for name in pointwise.BLOCKS:
            h = getattr(self, name)(h)
        return h


class _Residual(nnx.Module):  # type: ignore[misc]
    def __init__(self, channels: int, dtype: Any, rngs: nnx.Rngs) -> None:
        self.first, self.second = (_Conv(channels, channels, (3, 3), dtype=dtype, rngs=rngs) for _ in range(2))

    def __call__(self, h: jax.Array) -> jax.Array:
        return jax.nn.relu(h + self.second(jax.nn.relu(self.first(h))))


class _Convnet(nnx.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload, dtype: Any, rngs: nnx.Rngs) -> None:
        c = len(workload.parameters["stem.bias"])
        self.stem = _Conv(3, c, (3, 3), dtype=dtype, rngs=rngs)
        self.block1 = _Residual(c, dtype, rngs)
        self.down = _Conv(c, 2 * c, (3, 3), dtype=dtype, rngs=rngs)
        self.block2 = _Residual(2 * c, dtype, rngs)
        self.head = _Linear(2 * c, 10, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        h = self.block1(jax.nn.relu(self.stem(x)))
        h = self.block2(jax.nn.relu(self.down(nnx.avg_pool(h, (2, 2), strides=(2, 2)))))
        return self.head(jnp.mean(h, axis=(1, 2)))


class _Decoder(nnx.Module):  # type: ignore[misc]
    def __init__(self, width: int, attend: Callable[..., jax.Array], dtype: Any, rngs: nnx.Rngs) -> None:
        self.attend = attend
        self.norm1, self.norm2 = (
            nnx.LayerNorm(width, epsilon=pointwise.EPSILON, dtype=dtype, rngs=rngs) for _ in range(2)
        )
        self.qkv = _Linear(width, 3 * width, use_bias=False, dtype=dtype, rngs=rngs)
        self.out = _Linear(width, width, dtype=dtype, rngs=rngs)
        self.up = _Linear(width, 4 * width, dtype=dtype, rngs=rngs)
        self.down = _Linear(4 * width, width, dtype=dtype, rngs=rngs)

    def __call__(self, h: jax.Array) -> jax.Array:
        n, tokens, width = h.shape
        qkv = self.qkv(self.norm1(h)).reshape(n, tokens, 3, transformer.heads(width), -1)
        h = h + self.out(self.attend(*jnp.moveaxis(qkv, 2, 0)).reshape(n, tokens, width))
        return h + self.down(jax.nn.gelu(self.up(self.norm2(h)), approximate=True))


class _Transformer(nnx.Module):  # type: ignore[misc]
    def __init__(self, attend: Callable[..., jax.Array], workload: Workload, dtype: Any, rngs: nnx.Rngs) -> None:
        width = workload.batch.x.shape[-1]
        self.names = transformer.blocks(workload.parameters)
        for name in self.names:
            setattr(self, name, _Decoder(width, attend, dtype, rngs))
        self.norm = nnx.LayerNorm(width, epsilon=pointwise.EPSILON, dtype=dtype, rngs=rngs)
        self.head = _Linear(width, transformer.CLASSES, dtype=dtype, rngs=rngs)

    def __call__(self, h: jax.Array) -> jax.Array:
        for name in self.names:
            h = getattr(self, name)(h)
        return self.head(self.norm(h))


def _linear(workload: Workload, dtype: Any, rngs: nnx.Rngs) -> nnx.Module:
    return _Linear(*workload.parameters["weight"].shape, dtype=dtype, rngs=rngs)


FORWARD = {
    "regression": Forward(_linear, _squared_error),
    "regression_wide": Forward(_linear, _squared_error),
    "mlp": Forward(_Mlp, _cross_entropy),
    "convnet": Forward(_Convnet, _cross_entropy),
    "pointwise": Forward(_Pointwise, _squared_error),
    "transformer": Forward(partial(_Transformer, attend_fused), _cross_entropy),
    "transformer_naive": Forward(partial(_Transformer, attend_naively), _cross_entropy),
}
