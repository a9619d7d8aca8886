"""The step of Keras on every backend: `compile`, `fit`, `train_on_batch` and `predict_on_batch` of a model.

`train_on_batch` is one optimiser update in Keras' own step; it resets the loss metric first, so that the value is this
step's, and returns it as a Python float: it waits for the device in every step. `fit` makes one batch an epoch and
adds what Keras does around an epoch: its data adapter, its callbacks, its history. Each backend's file has its own
MODES, the threads and caches of its backend, and the proof of what its backend ran.

A forward pass is `predict_on_batch`, the counterpart of `train_on_batch` under the same `compile`: it returns the
predictions as NumPy's arrays, so it waits and copies in every step. A fit has no forward pass.

bfloat16 is Keras' policy "mixed_bfloat16": variables in float32, layers in bfloat16, and, as its guide advises, a last
layer that returns the predictions in float32. Layer norms and the fused attention widen what they need themselves; code
written with `keras.ops` does what layers do: inputs are cast to the policy's dtype, a softmax is in float32.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np

from bench.frameworks._keras.backend import Backend
from bench.frameworks._keras.models import FORWARD
from bench.frameworks._keras.optimizers import optimizer_of
from bench.frameworks._keras.proof import compute_precisions, proof_of
from bench.interface import Output, Skip, Step
from bench.records.record import ModeProof
from bench.reference.precision import BFLOAT16, FLOAT32, TF32
from bench.reference.workload import Array32, Array64, Workload

COMPILE: Final[Mapping[str, Mapping[str, bool]]] = {
    "eager": {"run_eagerly": True},
    "": {},
    "jit": {"jit_compile": True},
}

POLICY: Final[Mapping[str, str]] = {FLOAT32: "float32", TF32: "float32", BFLOAT16: "mixed_bfloat16"}


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
    """Return `fit`, one epoch an update, or `train_on_batch`."""
    loss = FORWARD[workload.name].loss
    initial = list(workload.parameters.values())
    optimizer = optimizer_of(workload.optimizer)
    model.compile(optimizer=optimizer, loss=loss, **COMPILE[ending])
    optimizer.build(model.trainable_variables)
    backend.prepare(model)
    fresh = [_unless_zero(array) for array in _copies(optimizer.variables)]
    # What a fit takes is its own affair: a tensor that nobody computes with would lie on the device beside it.
    batch = _tensors(workload, backend) if method == "batch" else ()
    data = backend.feed(*workload.batch) if method == "fit" else {}

    def fit(epochs: int) -> Sequence[float]:
        history = model.fit(**data, epochs=epochs, shuffle=False, verbose=0)
        return history.history["loss"]  # type: ignore[no-any-return]  # Keras has no types

    def reset() -> None:
        backend.forget(model)
        model.set_weights(initial)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(np.zeros(variable.shape, variable.dtype) if value is None else value)

    def gradient() -> Mapping[str, Array32]:
        slopes = backend.gradient(model, loss, *_tensors(workload, backend))
        return dict(zip(workload.parameters, _copies(slopes), strict=True))

    precisions = compute_precisions(model, workload.batch.x, backend)
    return Step(
        call=(lambda: model.train_on_batch(*batch)) if method == "batch" else None,
        fit=fit if method == "fit" else None,
        reset=reset,
        parameters=lambda: _parameters(workload, model),
        gradient=gradient,
        proof=lambda: proof_of(model, method, ending, backend, precisions()),
    )


def _inference(workload: Workload, model: keras.Model, ending: str, backend: Backend) -> Step:
    """Return `predict_on_batch`."""
    model.compile(**COMPILE[ending])
    x, _ = _tensors(workload, backend)
    last: Any = None

    def call() -> Any:
        nonlocal last
        last = model.predict_on_batch(x)
        return last

    def proof() -> ModeProof:
        inferred = proof_of(model, "batch", ending, backend, precisions())
        return dataclasses.replace(inferred, output_precision="" if last is None else last.dtype.name)

    precisions = compute_precisions(model, workload.batch.x, backend)
    return Step(
        call=call,
        reset=lambda: None,  # nothing is trained
        parameters=lambda: _parameters(workload, model),
        proof=proof,
        inference=True,
    )


def _parameters(workload: Workload, model: keras.Model) -> Mapping[str, Array32]:
    return dict(zip(workload.parameters, _copies(model.weights), strict=True))


def _tensors(workload: Workload, backend: Backend) -> tuple[Any, ...]:
    """Return x and y as the backend's tensors, on the device."""
    return tuple(backend.place(array) for array in workload.batch)


def _unless_zero(array: Array32) -> Array32 | None:
    """Return the array, None for zeros: kept, those of an optimiser would take twice the parameters' memory."""
    return array if array.any() else None


def _copies(variables: Sequence[Any]) -> list[Array32]:
    """Return copies of the variables' values: on PyTorch NumPy's array would share the memory that is trained."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the losses, shape (steps,), or the last predictions, shape (n,): these have a row for each sample."""
    kept = outputs[-1:] if np.ndim(outputs[-1]) > 1 else outputs
    return np.concatenate([np.ravel(each) for each in kept]).astype(np.float64)


def versions(*computing: str) -> tuple[str, ...]:
    """Return "name==version" of Keras, of what computes for it, and of NumPy for the inputs."""
    return (f"keras=={keras.__version__}", *computing, f"numpy=={np.__version__}")
