"""Proof of mode: what Keras handed to its backend, and what that made of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import keras

from bench.frameworks._keras.models import Loss
from bench.records.record import ModeProof

# How a step ran, as a backend finds it, and the ending of the mode that this is by itself
EAGER: Final = "eager"  # its Python ran in every step
GRAPH: Final = "graph"  # traced into a graph, not compiled
COMPILED: Final = "jit"
ENDING: Final[Mapping[str, str]] = {EAGER: "-eager", GRAPH: "", COMPILED: "-jit"}


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
