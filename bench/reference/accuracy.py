"""The correctness gate: a framework's run of the workload, against the float64 reference of its own formula."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.records.record import FORWARD_ONLY, Accuracy
from bench.reference.precision import Precision
from bench.reference.trajectory import Trajectory
from bench.reference.workload import Array64, Workload, as_float64, sha256

LEAST_SLOPE: Final = 1e-3  # of the steepest parameter's: a flatter one is held to this, its own may be rounding alone


def compare(
    workload: Workload,
    formula: str,
    expected: Trajectory | None,
    losses: Array64,
    *,
    initial: Mapping[str, NDArray[np.float32]],
    trained: Mapping[str, NDArray[np.float32]],
) -> Accuracy:
    """Return what was computed beside what should have been.

    Args:
        workload: the problem, with the bytes that were handed over.
        formula: the update rule that `expected` was computed with.
        expected: the float64 reference; None where it would take too long.
        losses: the framework's loss of each step, shape (steps,).
        initial: the framework's parameters before the first step, read back from it.
        trained: its parameters after the last step.
    """
    told = {name: float(trained[name].ravel()[0]) for name in workload.truth}
    expected_of = {name: float(expected.parameters[name].ravel()[0]) for name in workload.truth} if expected else {}
    return Accuracy(
        formula=formula,
        losses=tuple(float(loss) for loss in losses),
        reference_losses=expected.losses if expected else (),
        max_loss_deviation=loss_deviation(losses, expected=np.asarray(expected.losses)) if expected else None,
        max_parameter_deviation=parameter_deviation(trained, expected.parameters) if expected else None,
        weight=told.get("weight"),
        bias=told.get("bias"),
        reference_weight=expected_of.get("weight"),
        reference_bias=expected_of.get("bias"),
        within_tolerance=within(workload, told) if workload.truth else None,
        data_sha256=sha256(workload.batch.by_name()),
        init_sha256=sha256(initial),
        fingerprint=fingerprint(losses, trained),
    )


def compare_forward(
    workload: Workload, predictions: Array64, parameters: Mapping[str, NDArray[np.float32]]
) -> Accuracy:
    """Return the predictions of a forward pass at the initial parameters beside those of float64 NumPy.

    Args:
        workload: the problem whose inputs were predicted from.
        predictions: what the framework returned, shape (n,).
        parameters: the model's, read back from the framework.
    """
    compared = compare(workload, FORWARD_ONLY, None, np.zeros(0), initial=parameters, trained=parameters)
    should_be = _predictions(workload, parameters) if workload.has_reference else None
    return dataclasses.replace(
        compared,
        max_loss_deviation=None if should_be is None else loss_deviation(predictions, expected=should_be),
        prediction_norm=float(np.linalg.norm(predictions)),
        fingerprint=fingerprint(predictions, parameters),
    )


def _predictions(workload: Workload, parameters: Mapping[str, NDArray[np.float32]]) -> Array64:
    """Return the float64 predictions with these parameters, shape (n,)."""
    assert workload.predict
    inputs = {name: as_float64(array) for name, array in workload.batch.by_name().items()}
    return workload.predict({name: array.astype(np.float64) for name, array in parameters.items()}, inputs).ravel()


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
    compared = compare(workload, formula, expected, np.zeros(0), initial=workload.parameters, trained=trained)
    return dataclasses.replace(
        compared,
        reference_losses=(),
        max_loss_deviation=loss_deviation(predictions, expected=_predictions(workload, trained)),
        fingerprint=fingerprint(predictions, trained),
    )


def fingerprint(numbers: Array64, parameters: Mapping[str, NDArray[np.float32]]) -> str:
    """Return a SHA-256 that two runs share only when losses and trained parameters are equal to the last bit."""
    digest = hashlib.sha256(np.ascontiguousarray(numbers, dtype=np.float64).tobytes())
    digest.update(sha256(parameters).encode())
    return digest.hexdigest()


def loss_deviation(losses: Array64, *, expected: Array64) -> float:
    """Return the largest |loss - reference| / max(1, |reference|) over the steps; infinite when steps are missing."""
    if losses.shape != expected.shape or not np.all(np.isfinite(losses)):
        return float("inf")
    return float(np.max(np.abs(losses - expected) / np.maximum(1.0, np.abs(expected))))


def compare_gradient(
    compared: Accuracy, gradient: Mapping[str, NDArray[np.float32]], expected: Mapping[str, Array64] | None
) -> Accuracy:
    """Return `compared` with what the gradient at the initial parameters is, beside what it should be.

    Args:
        compared: the result so far.
        gradient: the framework's, shapes of the parameters.
        expected: the float64 reference's; None where it would take too long.
    """
    names = sorted(gradient)
    norms = tuple(float(np.linalg.norm(gradient[name].astype(np.float64))) for name in names)
    told = dataclasses.replace(
        compared, gradient_norm=math.hypot(*norms), parameters=tuple(names), gradient_norms=norms
    )
    if expected is None:
        return told
    off, worst = gradient_deviation(gradient, expected)
    return dataclasses.replace(told, max_gradient_deviation=off, worst_gradient=worst)


def gradient_deviation(
    gradient: Mapping[str, NDArray[np.float32]], expected: Mapping[str, Array64]
) -> tuple[float, str]:
    """Return how far the worst parameter's gradient is off, and that parameter's name.

    Each is held to its own size, so that a small one cannot hide behind a large one: rms(g - reference) /
    rms(reference), which is the ratio of their Euclidean norms. Infinite where a gradient is not a number.
    """
    least = LEAST_SLOPE * max(_rms(slope) for slope in expected.values())
    apart = {name: _rms(gradient[name] - slope) / max(_rms(slope), least) for name, slope in expected.items()}
    worst = max(apart, key=lambda name: np.inf if np.isnan(apart[name]) else apart[name])
    return (apart[worst] if np.isfinite(apart[worst]) else float("inf")), worst


def _rms(values: NDArray[Any]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def parameter_deviation(trained: Mapping[str, NDArray[np.float32]], expected: Mapping[str, Array64]) -> float:
    """Return the largest |parameter - reference|; infinite where one is not a number."""
    found = [float(np.max(np.abs(trained[name] - value))) for name, value in expected.items()]
    return max(found) if np.all(np.isfinite(found)) else float("inf")  # max() alone passes over a NaN


def within(workload: Workload, trained: Mapping[str, float]) -> bool:
    """Return whether every parameter came within the workload's tolerance of the truth that made the data."""
    return all(abs(trained[name] - truth) <= workload.tolerance for name, truth in workload.truth.items())


def fault(accuracy: Accuracy, workload: Workload, precision: Precision) -> str:
    """Return why this result is wrong in this precision, as one sentence; empty when it passes the gate."""
    loss_tolerance = max(workload.loss_tolerance, precision.loss)
    gradient_tolerance = max(workload.gradient_tolerance or 0.0, precision.gradient)
    if accuracy.init_sha256 != sha256(workload.parameters):
        return "the initial parameters are not the workload's"
    if not np.all(np.isfinite(accuracy.losses)):
        return "a loss is not a number"
    off = accuracy.max_loss_deviation
    if off is not None and not off <= loss_tolerance:
        what = "losses leave the float64 reference" if accuracy.losses else "predictions leave those of float64 NumPy"
        return f"the {what} by {off:.2e}, more than {loss_tolerance:.0e}"
    off = accuracy.max_gradient_deviation
    if off is not None and workload.gradient_tolerance is not None and not off <= gradient_tolerance:
        return (
            f"the gradient of {accuracy.worst_gradient} leaves the float64 reference by {off:.2e} of its norm,"
            f" more than {gradient_tolerance:.0e}"
        )
    off = accuracy.max_parameter_deviation
    if off is not None and np.isfinite(off) and not precision.compares_parameters:
        return ""
    if off is not None and not off <= workload.parameter_tolerance:
        return f"a trained parameter leaves the reference's by {off:.2e}, more than {workload.parameter_tolerance:.0e}"
    return ""
