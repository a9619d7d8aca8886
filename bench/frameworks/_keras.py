"""Keras, whatever computes for it: `compile`, `fit` and `train_on_batch` of a Sequential model.

`train_on_batch` is one optimiser update in Keras' own step; it resets the loss metric first, so that the value is this
step's, and hands it out as a Python float: it waits for the device in every step. `fit` makes one batch an epoch and
adds what Keras does around an epoch: its data adapter, its callbacks, its history. Each backend's file has its own
MODES, the threads and caches of its backend, and the proof of what its backend ran.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np

from bench.framework import Output, Skip, Step
from bench.record import ModeProof
from bench.workload import Adam, Array32, Array64, Sgd, Workload

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


def _arrays(x: Any, y: Any) -> Mapping[str, Any]:
    return {"x": x, "y": y, "batch_size": len(x)}


@dataclass(frozen=True, slots=True)
class Backend:
    """What Keras does not say of the library that computes for it."""

    uncompiled: str  # how a step runs that `compile` leaves uncompiled: EAGER or GRAPH
    prove: Callable[[keras.Model], ModeProof]  # as found; its mode is EAGER, GRAPH or COMPILED
    prepare: Callable[[keras.Model], None] = lambda model: None  # what has to be done before the first step
    feed: Callable[[Any, Any], Mapping[str, Any]] = _arrays  # x and y, as `fit` takes them fastest, an epoch a batch


@dataclass(frozen=True, slots=True)
class Forward:
    """One workload's model, the workload's names of its weights in Keras' order, and its loss."""

    model: Callable[[], keras.Model]
    names: tuple[str, ...]
    loss: str


def _regression() -> keras.Model:
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


FORWARD = {"regression": Forward(_regression, names=("weight", "bias"), loss="mean_squared_error")}


def build(workload: Workload, mode: str, precision: str, backend: Backend) -> Step | Skip:
    """Return `fit` or `train_on_batch` of the model, compiled in the sense of Keras."""
    if precision != "float32":
        return Skip(f"Keras is measured in float32 only, not {precision}")
    method, _, ending = mode.partition("-")
    forward = FORWARD[workload.name]
    initial = [workload.parameters[name] for name in forward.names]
    model = forward.model()
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

    return Step(
        call=(lambda: model.train_on_batch(x, y)) if method == "batch" else None,
        fit=fit if method == "fit" else None,
        reset=reset,
        parameters=lambda: dict(zip(forward.names, _copies(model.weights), strict=True)),
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
