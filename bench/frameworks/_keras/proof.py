"""Proof of mode: how Keras' step ran on its backend, in the names of MODES, and the dtypes of the model's products."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import keras

from bench.frameworks._keras.backend import COMPILED, EAGER, GRAPH, Backend
from bench.records.record import ModeProof

ENDING: Final[Mapping[str, str]] = {EAGER: "-eager", GRAPH: "", COMPILED: "-jit"}  # of the mode that runs so


def compute_precisions(model: keras.Model, x: Any, backend: Backend) -> Callable[[], str]:
    """Return a function that reads, once, the dtypes of layers with weights and of the model's products.

    What Keras compiles or runs is hidden in its step: the backend reads the products off the same model, called
    without that step. `x`, a NumPy array, is on the device for that moment alone.
    """
    layers = [layer for layer in model.layers if layer.weights]
    policies = {layer.compute_dtype for layer in layers}
    return cache(lambda: ", ".join(sorted(policies | backend.products(model, keras.ops.convert_to_tensor(x)))))


def proof_of(model: keras.Model, method: str, ending: str, backend: Backend, compute_precision: str) -> ModeProof:
    """Return the backend's proof with its mode as MODES names it."""
    proof = backend.prove(model)
    expected = {"eager": EAGER, "jit": COMPILED, "": COMPILED if model.jit_compile else backend.uncompiled}
    ran = f"-{ending}".rstrip("-") if proof.mode == expected[ending] else ENDING[proof.mode]
    return dataclasses.replace(
        proof,
        mode=method + ran,
        compute_precision=compute_precision,
        evidence=f"run_eagerly is {model.run_eagerly}, jit_compile came out as {model.jit_compile}; {proof.evidence}; "
        f"the policy of new layers is {keras.config.dtype_policy().name}",
    )


def step_of(model: keras.Model) -> Any:
    """Return what `fit`, `train_on_batch` or `predict_on_batch` runs; None before the first step."""
    return model.train_function or model.predict_function
