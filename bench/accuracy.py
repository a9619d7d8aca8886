"""The correctness gate: a framework's run of the workload, against the float64 reference of its own formula."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.record import Accuracy
from bench.workload import Array64, Trajectory, Workload, sha256

MAX_LOSS_DEVIATION: Final = 1e-4  # float32 bias corrections alone give 1.7e-5 in Adam's 200 steps
MAX_PARAMETER_DEVIATION: Final = 1e-4


def compare(
    workload: Workload,
    formula: str,
    expected: Trajectory,
    losses: Array64,
    initial: Mapping[str, NDArray[np.float32]],
    trained: Mapping[str, NDArray[np.float32]],
) -> Accuracy:
    """Return what was computed beside what should have been.

    Args:
        workload: the problem, with the bytes that were handed over.
        formula: the update rule that `expected` was computed with.
        expected: the float64 reference.
        losses: the framework's loss of each step, shape (steps,).
        initial: the framework's parameters before the first step, read back from it.
        trained: its parameters after the last step.
    """
    weight, bias = float(trained["weight"].ravel()[0]), float(trained["bias"].ravel()[0])
    return Accuracy(
        formula=formula,
        losses=tuple(float(loss) for loss in losses),
        reference_losses=expected.losses,
        max_loss_deviation=loss_deviation(losses, np.asarray(expected.losses)),
        weight=weight,
        bias=bias,
        reference_weight=float(expected.parameters["weight"].ravel()[0]),
        reference_bias=float(expected.parameters["bias"].ravel()[0]),
        within_tolerance=within(workload, {"weight": weight, "bias": bias}),
        data_sha256=sha256(workload.inputs),
        init_sha256=sha256(initial),
        fingerprint=fingerprint(losses, trained),
    )


def compare_inference(
    workload: Workload,
    formula: str,
    expected: Trajectory,
    predictions: Array64,
    trained: Mapping[str, NDArray[np.float32]],
) -> Accuracy:
    """Return a trained model's predictions beside those of float64 NumPy with the same trained parameters.

    Args:
        workload: the problem whose inputs were predicted from.
        formula: the update rule that `expected` was computed with.
        expected: the float64 reference of the training.
        predictions: what the framework returned, shape (n,).
        trained: the model's parameters, read back from it.
    """
    inputs = {name: array.astype(np.float64) for name, array in workload.inputs.items()}
    should_be = workload.predict({name: array.astype(np.float64) for name, array in trained.items()}, inputs).ravel()
    none = np.zeros(0)
    compared = compare(workload, formula, expected, none, workload.parameters, trained)
    return dataclasses.replace(
        compared,
        reference_losses=(),
        max_loss_deviation=loss_deviation(predictions, should_be),
        fingerprint=fingerprint(predictions, trained),
    )


def fingerprint(numbers: Array64, parameters: Mapping[str, NDArray[np.float32]]) -> str:
    """Return a SHA-256 that two runs share only when losses and trained parameters are equal to the last bit."""
    digest = hashlib.sha256(np.ascontiguousarray(numbers, dtype=np.float64).tobytes())
    digest.update(sha256(parameters).encode())
    return digest.hexdigest()


def loss_deviation(losses: Array64, expected: Array64) -> float:
    """Return the largest |loss - reference| / max(1, |reference|) over the steps; infinite when steps are missing."""
    if losses.shape != expected.shape or not np.all(np.isfinite(losses)):
        return float("inf")
    return float(np.max(np.abs(losses - expected) / np.maximum(1.0, np.abs(expected))))


def within(workload: Workload, trained: Mapping[str, float]) -> bool:
    """Return whether every parameter came within the workload's tolerance of the truth that made the data."""
    return all(abs(trained[name] - truth) <= workload.tolerance for name, truth in workload.truth.items())


def fault(accuracy: Accuracy, workload: Workload) -> str:
    """Return why this result is wrong, as one sentence; empty when it passes the gate."""
    if accuracy.init_sha256 != sha256(workload.parameters):
        return "the initial parameters are not the workload's"
    if not accuracy.max_loss_deviation <= MAX_LOSS_DEVIATION:
        what = "losses leave the float64 reference" if accuracy.losses else "predictions leave those of float64 NumPy"
        return f"the {what} by {accuracy.max_loss_deviation:.2e}, more than {MAX_LOSS_DEVIATION:.0e}"
    pairs = (
        ("weight", accuracy.weight, accuracy.reference_weight),
        ("bias", accuracy.bias, accuracy.reference_bias),
    )
    for name, value, expected in pairs:
        if not abs(value - expected) <= MAX_PARAMETER_DEVIATION:
            return f"the trained {name} is {value:.6f}, the reference's {expected:.6f}"
    return ""
