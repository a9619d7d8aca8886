"""The trained model at a batch: what `--batch` infers, in every framework and engine with the same bytes.

The parameters are those after the steps of the correctness gate, trained by the float64 reference with the workload's
first optimizer and cast to float32. The reference's predictions at a batch are computed once in a run, not once in a
replicate: at a batch of 256 they take seconds.
"""

import dataclasses
import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.reference.inputs import Resident
from bench.reference.pruning import pruned
from bench.reference.trajectory import reference
from bench.reference.workload import KINGMA_BA, Array32, Array64, Workload, as_float64, frozen

PREDICTIONS: Final = "predictions"  # name of the array in the file of expected predictions
UNPRUNED: Final = "unpruned"  # of that of the same without pruning, if there is any
SEED: Final = 43  # of the rows beyond the workload's own
MOST_FLOPS: Final = 5e12  # of the training, once in a run: some minutes of float64 on one core
# Of |prediction - reference| / rms(reference), the largest, in float32. Measured: 2e-7 to 4e-6 on every engine that is
# right; the least wrong ones, in half precision, are off by 1e-3 (decision 41).
TOLERANCE: Final = 1e-5


class UntrainedError(Exception):
    """A workload cannot be trained here; one sentence."""


def trained(workload: Workload) -> Mapping[str, Array32]:
    """Return the parameters after the steps of the gate, trained in float64, cast to float32.

    Raises:
        UntrainedError: it takes too long.
    """
    if workload.work.flops * workload.steps > MOST_FLOPS:
        raise UntrainedError(f"{workload.name} {workload.size} is not trained in float64: that takes hours")
    return {name: frozen(array) for name, array in reference(workload, KINGMA_BA).parameters.items()}


def at_batch(
    workload: Workload,
    batch: int,
    parameters: Mapping[str, Array32],
    expected: Array64 | None = None,
    *,
    percent: int = 0,
    unpruned: Array64 | None = None,
) -> Workload:
    """Return inference of `workload` with trained parameters at another batch.

    Its first rows are the workload's own. Those beyond are drawn from a generator of their own, so that a batch begins
    with the rows of every smaller one.

    Args:
        workload: without an optimizer, in its own batch.
        batch: rows.
        parameters: trained, of the workload's names and shapes.
        expected: the float64 predictions, shape (n,), as `predictions` returns them; None: not known.
        percent: how much of each weight matrix is pruned here, in per cent.
        unpruned: the float64 predictions without that, if there is any; None: not known.

    Raises:
        ValueError: a parameter is missing or has another shape.
    """
    for name, initial in workload.parameters.items():
        if name not in parameters or parameters[name].shape != initial.shape:
            raise ValueError(f"the trained parameters of {workload.name} have no {name} {initial.shape}")
    return dataclasses.replace(
        workload,
        inputs=rows(workload, batch),
        work=workload.work.forward_at(batch),
        parameters=pruned({name: frozen(parameters[name]) for name in workload.parameters}, percent),
        pruned=percent,
        unpruned=unpruned,
        is_trained=True,
        trained_rows=min(batch, len(workload.batch.x)),
        expected=expected,
        loss_tolerance=TOLERANCE,
        gradient_tolerance=None,
    )


def rows(workload: Workload, batch: int) -> Resident:
    """Return x (batch, …) and y (batch, …): the workload's own rows, then further ones, standard normal."""
    own = workload.batch
    x, y = own.x[:batch], own.y[:batch]
    if more := batch - len(x):
        rng = np.random.default_rng(SEED)
        drawn = [
            (rng.standard_normal(x.shape[1:]), rng.integers(own.y.max() + 1, size=y.shape[1:])) for _ in range(more)
        ]
        x = np.concatenate([x, np.asarray([row for row, _ in drawn], x.dtype)])
        y = np.concatenate([y, np.asarray([label for _, label in drawn], y.dtype)])
    return Resident(x=frozen(x), y=frozen(y, y.dtype))


def enlarged(workload: Workload, times: int) -> Workload:
    """Return `workload`, trained on `times` as many rows: its own, then further ones (`rows`).

    The declared work of a step is so many times as much, but for the memory that does not grow with the rows: an upper
    bound of bytes and footprint.
    """
    work = workload.work
    grown = ("samples", "flops", "bytes", "forward_flops", "forward_bytes", "footprint")
    return dataclasses.replace(
        workload,
        inputs=rows(workload, times * len(workload.batch.x)),
        work=dataclasses.replace(work, **{name: times * getattr(work, name) for name in grown}),
    )


def predictions(workload: Workload) -> Array64:
    """Return the float64 predictions of `workload` with its parameters, shape (n,)."""
    assert workload.predict
    inputs = {name: as_float64(array) for name, array in workload.batch.by_name().items()}
    parameters = {name: array.astype(np.float64) for name, array in workload.parameters.items()}
    return workload.predict(parameters, inputs).ravel()


def to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the arrays as the bytes of an npz file: the same arrays give the same bytes."""
    written = io.BytesIO()
    np.savez(written, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
    return written.getvalue()


def from_bytes(data: bytes) -> dict[str, Any]:
    """Return the arrays of `to_bytes`; raises ValueError for other bytes."""
    with np.load(io.BytesIO(data), allow_pickle=False) as read:
        return {name: read[name] for name in read.files}
