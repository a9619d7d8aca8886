"""Flax NNX with Optax: modules and optimisers are Python objects, written to in place, without jit and with it.

`nnx.jit` walks through the model and the optimiser before and after each call, in Python; `nnx.cached_partial` walks
through them once. Optax's Adam is Kingma and Ba's. The arrays are strong float32: a weakly typed one would be traced
a second time. In bfloat16 every layer has dtype=bfloat16 and param_dtype=float32, Flax's own way: layers cast their
parameters and inputs, layer norms take their statistics in float32. In float32 are also the softmax of the attention,
the loss and the addition of a bias, for the reason that `_jax_models` gives; Flax has a hook for it.
The caches on disk are JAX's, see there.
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
from flax.nnx.nn.dtypes import promote_dtype

from bench.frameworks import jax as backend
from bench.frameworks._jax.models import attend_fused, attend_naively, biased
from bench.frameworks._jax.precision import COMPUTE, cast, choose, lacks, products
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.workload import KINGMA_BA, Adam, Array32, Sgd, Workload
from bench.workloads import pointwise, transformer

MODES = {
    "eager": "nnx.value_and_grad and the optimiser's update without jit, each operation dispatched by itself",
    "jit": "gradient and update under nnx.jit, which is handed the model and the optimiser in each call",
    "cached-partial": "the same nnx.jit under nnx.cached_partial, which holds the model and the optimiser",
}
BASELINE = "eager"
LADDER = ("eager", "jit")
LIMITS = "jax"
ALLOCATORS = "jax"
ENVIRONMENT = {
    "NPROC": "{threads}",
    "JAX_COMPILATION_CACHE_DIR": "{scratch}/jax",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
ADAM = KINGMA_BA


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model and what its predictions are held to."""

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
            setattr(self, name, _Block(workload.inputs["x"].shape[1], dtype, rngs))

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
        width = workload.inputs["x"].shape[-1]
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
NAMES = {"weight": "kernel", "bias": "bias", "gain": "scale", "shift": "bias"}  # the workload's, and Flax's


class _Held:
    """The variables that a step writes to, where `wait` finds them, and its last output."""

    variables: Sequence[Any] = ()
    output: jax.Array | None = None

    def release(self) -> None:
        """Let go of every array."""
        self.variables, self.output = (), None


_held = _Held()
Predict = Callable[[Any, jax.Array], jax.Array]  # (model, x) -> predictions


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return the training step or the forward pass: eager, jitted, or jitted with its objects held."""
    if reason := lacks(precision):
        return Skip(reason)
    choose(precision)
    dtype = COMPUTE[precision]
    model = FORWARD[workload.name].model(workload, dtype, nnx.Rngs(0))
    for name, array in workload.parameters.items():
        _variable(model, name).set_value(jnp.asarray(array, dtype=jnp.float32))

    def predict(model: Any, x: jax.Array) -> jax.Array:
        predictions: jax.Array = model(cast(x, dtype))
        return predictions

    return (_training if workload.trains else _predicting)(workload, mode, model, predict)


def _training(workload: Workload, mode: str, model: Any, predict: Predict) -> Step:
    """Return the training step of `model` in `mode`."""
    body, held = backend.Body(), _held
    criterion = FORWARD[workload.name].criterion
    optimizer = nnx.Optimizer(model, _transformation(workload.optimizer), wrt=nnx.Param)
    held.variables = jax.tree.leaves(nnx.state((model, optimizer)), is_leaf=_is_variable)
    initial = [variable.get_value() for variable in held.variables]
    x, y = (jax.device_put(workload.inputs[name]) for name in ("x", "y"))

    def loss_of(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return criterion(predict(model, x), y)

    loss_and_gradient = nnx.value_and_grad(loss_of)

    def step(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        loss, gradient = loss_and_gradient(model, x, y)
        body.ran(loss)
        optimizer.update(model, gradient)
        return loss

    jitted = nnx.jit(step)
    advance = _bound(mode, step, jitted, model, optimizer)

    def call() -> jax.Array:
        held.output = advance(x, y)
        return held.output

    def reset() -> None:
        for variable, value in zip(held.variables, initial, strict=True):
            variable.set_value(value)

    def gradient() -> Mapping[str, Array32]:
        slopes = nnx.jit(nnx.grad(loss_of))(model, x, y)
        return {name: np.array(_variable(slopes, name).get_value()) for name in workload.parameters}

    return Step(
        call=call,
        reset=reset,
        parameters=lambda: _parameters(workload, model),
        gradient=gradient,
        proof=_proof(mode, body, jitted, model, predict, x),
        release=held.release,
    )


def _predicting(workload: Workload, mode: str, model: Any, predict: Predict) -> Step:
    """Return the forward pass of `model`, its variables an argument of the program."""
    body, held = backend.Body(), _held
    held.variables = jax.tree.leaves(nnx.state(model), is_leaf=_is_variable)
    x = jax.device_put(workload.inputs["x"])

    def forward(model: Any, x: jax.Array) -> jax.Array:
        predictions = predict(model, x)
        body.ran(predictions)
        return predictions

    jitted = nnx.jit(forward)
    advance = _bound(mode, forward, jitted, model)

    def call() -> jax.Array:
        held.output = advance(x)
        return held.output

    return Step(
        call=call,
        reset=lambda: None,
        parameters=lambda: _parameters(workload, model),
        proof=_proof(mode, body, jitted, model, predict, x),
        inference=True,
        release=held.release,
    )


def _bound(mode: str, step: Callable[..., jax.Array], jitted: Any, *objects: Any) -> Callable[..., jax.Array]:
    """Return the mode's step with its objects: handed over in each call, or held."""
    if mode == "cached-partial":
        held: Callable[..., jax.Array] = nnx.cached_partial(jitted, *objects)
        return held
    return partial(step if mode == "eager" else jitted, *objects)


def _proof(
    mode: str, body: backend.Body, jitted: Any, model: Any, predict: Predict, x: jax.Array
) -> Callable[[], ModeProof]:
    """Return what says how the step ran; the model's products are looked at once."""
    graph, state = nnx.split(model)
    compute = functools.cache(lambda: products(lambda state, x: predict(nnx.merge(graph, state), x), state, x))

    def proof() -> ModeProof:
        entries = None if mode == "eager" else jitted.jitted_fn._cache_size()
        taken = mode if body.compiled else "eager"
        parameter = _held.variables[0].get_value()
        return backend.found(taken, body, parameter, _held.output, entries, compute=compute())

    return proof


def _parameters(workload: Workload, model: Any) -> Mapping[str, Array32]:
    return {name: np.array(_variable(model, name).get_value()) for name in workload.parameters}


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
empty_cache = backend.empty_cache


def versions() -> Sequence[str]:
    """Flax and Optax, and the JAX they compute with."""
    return (f"flax=={flax.__version__}", f"optax=={optax.__version__}", *backend.versions())
