"""Flax NNX with Optax: modules and optimisers are Python objects, written to in place, without jit and with it.

`nnx.jit` walks through the model and the optimiser before and after each call, in Python; `nnx.cached_partial` walks
through them once. Optax's Adam is Kingma and Ba's. The arrays are strong float32: a weakly typed one would be traced
a second time. The caches on disk are JAX's, see there.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from bench.framework import Output, Skip, Step
from bench.frameworks import jax as backend
from bench.record import ModeProof
from bench.workload import KINGMA_BA, Adam, Array32, Sgd, Workload
from bench.workloads import pointwise, transformer

MODES = {
    "eager": "nnx.value_and_grad and the optimiser's update without jit, each operation dispatched by itself",
    "jit": "gradient and update under nnx.jit, which is handed the model and the optimiser in each call",
    "cached-partial": "the same nnx.jit under nnx.cached_partial, which holds the model and the optimiser",
}
BASELINE = "eager"
LADDER = ("eager", "jit")
LIMITS = "jax"
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model and its loss."""

    model: Callable[[Workload, nnx.Rngs], Any]
    loss: Callable[[Any, jax.Array, jax.Array], jax.Array]


class _Mlp(nnx.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload, rngs: nnx.Rngs) -> None:
        self.layer1, self.layer2, self.layer3 = (
            nnx.Linear(*workload.parameters[f"layer{number}.weight"].shape, rngs=rngs) for number in (1, 2, 3)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.layer3(jax.nn.relu(self.layer2(jax.nn.relu(self.layer1(x)))))


def _squared(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(model(x) - y))


def _cross_entropy(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(model(x), y))


class _Block(nnx.Module):  # type: ignore[misc]
    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.bias = nnx.Param(jnp.zeros(width))
        self.norm = nnx.LayerNorm(width, epsilon=pointwise.EPSILON, rngs=rngs)

    def __call__(self, h: jax.Array) -> jax.Array:
        return self.norm(jax.nn.gelu(h + self.bias, approximate=True) + h)


class _Pointwise(nnx.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload, rngs: nnx.Rngs) -> None:
        for name in pointwise.BLOCKS:
            setattr(self, name, _Block(workload.inputs["x"].shape[1], rngs))

    def __call__(self, h: jax.Array) -> jax.Array:
        for name in pointwise.BLOCKS:
            h = getattr(self, name)(h)
        return h


class _Residual(nnx.Module):  # type: ignore[misc]
    def __init__(self, channels: int, rngs: nnx.Rngs) -> None:
        self.first, self.second = (nnx.Conv(channels, channels, (3, 3), rngs=rngs) for _ in range(2))

    def __call__(self, h: jax.Array) -> jax.Array:
        return jax.nn.relu(h + self.second(jax.nn.relu(self.first(h))))


class _Convnet(nnx.Module):  # type: ignore[misc]
    def __init__(self, workload: Workload, rngs: nnx.Rngs) -> None:
        c = len(workload.parameters["stem.bias"])
        self.stem = nnx.Conv(3, c, (3, 3), rngs=rngs)
        self.block1 = _Residual(c, rngs)
        self.down = nnx.Conv(c, 2 * c, (3, 3), rngs=rngs)
        self.block2 = _Residual(2 * c, rngs)
        self.head = nnx.Linear(2 * c, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        h = self.block1(jax.nn.relu(self.stem(x)))
        h = self.block2(jax.nn.relu(self.down(nnx.avg_pool(h, (2, 2), strides=(2, 2)))))
        return self.head(jnp.mean(h, axis=(1, 2)))


class _Decoder(nnx.Module):  # type: ignore[misc]
    def __init__(self, width: int, attend: Callable[..., jax.Array], rngs: nnx.Rngs) -> None:
        self.attend = attend
        self.norm1, self.norm2 = (nnx.LayerNorm(width, epsilon=pointwise.EPSILON, rngs=rngs) for _ in range(2))
        self.qkv = nnx.Linear(width, 3 * width, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)
        self.up = nnx.Linear(width, 4 * width, rngs=rngs)
        self.down = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, h: jax.Array) -> jax.Array:
        n, tokens, width = h.shape
        qkv = self.qkv(self.norm1(h)).reshape(n, tokens, 3, transformer.heads(width), -1)
        h = h + self.out(self.attend(*jnp.moveaxis(qkv, 2, 0)).reshape(n, tokens, width))
        return h + self.down(jax.nn.gelu(self.up(self.norm2(h)), approximate=True))


class _Transformer(nnx.Module):  # type: ignore[misc]
    def __init__(self, attend: Callable[..., jax.Array], workload: Workload, rngs: nnx.Rngs) -> None:
        width = workload.inputs["x"].shape[-1]
        self.names = transformer.blocks(workload.parameters)
        for name in self.names:
            setattr(self, name, _Decoder(width, attend, rngs))
        self.norm = nnx.LayerNorm(width, epsilon=pointwise.EPSILON, rngs=rngs)
        self.head = nnx.Linear(width, transformer.CLASSES, rngs=rngs)

    def __call__(self, h: jax.Array) -> jax.Array:
        for name in self.names:
            h = getattr(self, name)(h)
        return self.head(self.norm(h))


def _linear(workload: Workload, rngs: nnx.Rngs) -> nnx.Module:
    return nnx.Linear(*workload.parameters["weight"].shape, rngs=rngs)


FORWARD = {
    "regression": Forward(_linear, _squared),
    "regression_wide": Forward(_linear, _squared),
    "mlp": Forward(_Mlp, _cross_entropy),
    "convnet": Forward(_Convnet, _cross_entropy),
    "pointwise": Forward(_Pointwise, _squared),
    "transformer": Forward(partial(_Transformer, backend.attend_fused), _cross_entropy),
    "transformer_naive": Forward(partial(_Transformer, backend.attend_naively), _cross_entropy),
}
NAMES = {"weight": "kernel", "bias": "bias", "gain": "scale", "shift": "bias"}  # the workload's, and Flax's


class _Held:
    """The variables that a step writes to, where `wait` finds them, and its last loss."""

    variables: Sequence[Any] = ()
    loss: jax.Array | None = None


_held = _Held()


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step eager, jitted, or jitted with its objects held."""
    if precision != "float32":
        return Skip(f"Flax is measured in float32 only, not {precision}")
    body, held = backend.Body(), _held
    forward = FORWARD[workload.name]
    loss_and_gradient = nnx.value_and_grad(forward.loss)
    model = forward.model(workload, nnx.Rngs(0))
    parameters = {name: _variable(model, name) for name in workload.parameters}
    for name, array in workload.parameters.items():
        parameters[name].set_value(jnp.asarray(array, dtype=jnp.float32))
    optimizer = nnx.Optimizer(model, _transformation(workload.optimizer), wrt=nnx.Param)
    held.variables = jax.tree.leaves(nnx.state((model, optimizer)), is_leaf=_is_variable)
    initial = [variable.get_value() for variable in held.variables]
    x, y = (jax.device_put(workload.inputs[name]) for name in ("x", "y"))

    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        loss, gradient = loss_and_gradient(model, x, y)
        body.ran(loss)
        optimizer.update(model, gradient)
        return loss

    jitted = nnx.jit(step)
    if mode == "cached-partial":
        advance = nnx.cached_partial(jitted, model, optimizer)
    else:
        advance = partial(step if mode == "eager" else jitted, model, optimizer)

    def call() -> jax.Array:
        held.loss = advance(x, y)
        return held.loss

    def reset() -> None:
        for variable, value in zip(held.variables, initial, strict=True):
            variable.set_value(value)

    def proof() -> ModeProof:
        entries = None if mode == "eager" else jitted.jitted_fn._cache_size()
        taken = mode if body.compiled else "eager"
        return backend.found(taken, body, held.variables[0].get_value(), held.loss, entries)

    def gradient() -> Mapping[str, Array32]:
        slopes = nnx.jit(nnx.grad(forward.loss))(model, x, y)
        return {name: np.array(_variable(slopes, name).get_value()) for name in workload.parameters}

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: {name: np.array(p.get_value()) for name, p in parameters.items()},
        gradient=gradient,
        proof=proof,
    )


def _variable(model: Any, name: str) -> Any:
    """Return the variable that the workload calls "layer1.weight"."""
    *modules, last = name.split(".")
    return functools.reduce(getattr, (*modules, NAMES[last]), model)


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Variable)


def _transformation(optimizer: Adam | Sgd) -> Any:
    if isinstance(optimizer, Sgd):
        return optax.sgd(optimizer.learning_rate)
    return optax.adam(optimizer.learning_rate, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def wait(outputs: Sequence[Output]) -> None:
    """Block until every output and every variable is computed."""
    jax.block_until_ready((outputs, [variable.get_value() for variable in _held.variables]))


start, to_numpy, memory = backend.start, backend.to_numpy, backend.memory
probes = backend.probes


def versions() -> Sequence[str]:
    """Flax and Optax, and the JAX they compute with."""
    return (f"flax=={flax.__version__}", f"optax=={optax.__version__}", *backend.versions())
