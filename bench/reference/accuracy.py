"""How far a framework's run of a workload differs from the float64 reference of its formula, and whether it passes."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.records.record import FORWARD_ONLY, Accuracy
from bench.reference.classes import classes
from bench.reference.precision import Precision
from bench.reference.trajectory import Trajectory
from bench.reference.workload import Array64, Workload, as_float64, sha256

LEAST_SLOPE: Final = (
    1e-3  # of the largest gradient: a smaller one is compared with this, since it may be rounding alone
)


def compare(
    workload: Workload,
    formula: str,
    expected: Trajectory | None,
    losses: Array64,
    *,
    initial: Mapping[str, NDArray[np.float32]],
    trained: Mapping[str, NDArray[np.float32]],
) -> Accuracy:
    """Return what was computed, with the reference and the deviations from it.

    Args:
        workload: the problem, with the bytes that the framework was given.
        formula: the update rule that `expected` was computed with.
        expected: the float64 reference; None where it would take too long.
        losses: the framework's loss of each step, shape (steps,).
        initial: the framework's parameters before the first step, read back from it.
        trained: its parameters after the last step.
    """
    actual = {name: float(trained[name].ravel()[0]) for name in workload.truth}
    expected_of = {name: float(expected.parameters[name].ravel()[0]) for name in workload.truth} if expected else {}
    return Accuracy(
        formula=formula,
        losses=tuple(float(loss) for loss in losses),
        reference_losses=expected.losses if expected else (),
        max_loss_deviation=loss_deviation(losses, expected=np.asarray(expected.losses)) if expected else None,
        max_parameter_deviation=parameter_deviation(trained, expected.parameters) if expected else None,
        weight=actual.get("weight"),
        bias=actual.get("bias"),
        reference_weight=expected_of.get("weight"),
        reference_bias=expected_of.get("bias"),
        within_tolerance=within(workload, actual) if workload.truth else None,
        data_sha256=sha256(workload.batch.by_name()),
        init_sha256=sha256(initial),
        fingerprint=fingerprint(losses, trained),
    )


def compare_forward(
    workload: Workload, predictions: Array64, parameters: Mapping[str, NDArray[np.float32]]
) -> Accuracy:
    """Return the predictions of a forward pass at the workload's parameters, compared with those of float64 NumPy.

    Args:
        workload: the problem whose inputs the predictions are for.
        predictions: what the framework returned, shape (n,).
        parameters: the model's, read back from the framework.
    """
    compared = compare(workload, FORWARD_ONLY, None, np.zeros(0), initial=parameters, trained=parameters)
    reference = workload.expected
    if reference is None and workload.has_reference:
        reference = _predictions(workload, parameters)
    deviation = prediction_deviation if workload.is_trained else loss_deviation
    if reference is not None and workload.is_trained:
        before = workload.unpruned if workload.pruned else reference
        compared = dataclasses.replace(
            compared,
            rms_deviation=rms_deviation(predictions, expected=reference),
            classes=None if before is None else classes(workload, predictions, before),
        )
    return dataclasses.replace(
        compared,
        max_loss_deviation=None if reference is None else deviation(predictions, expected=reference),
        prediction_norm=float(np.linalg.norm(predictions)),
        fingerprint=fingerprint(predictions, parameters),
    )


def given(workload: Workload) -> Accuracy:
    """Return the record of what a turn that computes nothing was given: the digests of inputs and parameters."""
    return compare(workload, FORWARD_ONLY, None, np.zeros(0), initial=workload.parameters, trained=workload.parameters)


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
    """Return a trained model's predictions, compared with those of float64 NumPy with the same parameters.

    Args:
        workload: the problem whose inputs the predictions are for.
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


def prediction_deviation(predictions: Array64, *, expected: Array64) -> float:
    """Return the largest |prediction - reference| / rms(reference); infinite when predictions are missing."""
    if predictions.shape != expected.shape or not np.all(np.isfinite(predictions)):
        return float("inf")
    return float(np.max(np.abs(predictions - expected)) / _rms(expected))


def rms_deviation(predictions: Array64, *, expected: Array64) -> float:
    """Return rms(prediction - reference) / rms(reference); infinite when predictions are missing."""
    if predictions.shape != expected.shape or not np.all(np.isfinite(predictions)):
        return float("inf")
    return _rms(predictions - expected) / _rms(expected)


def compare_gradient(
    compared: Accuracy, gradient: Mapping[str, NDArray[np.float32]], expected: Mapping[str, Array64] | None
) -> Accuracy:
    """Return `compared` with the gradient at the initial parameters and its deviation.

    Args:
        compared: the comparison so far.
        gradient: the framework's, shapes of the parameters.
        expected: the float64 reference's; None where it would take too long.
    """
    names = sorted(gradient)
    norms = tuple(float(np.linalg.norm(gradient[name].astype(np.float64))) for name in names)
    normed = dataclasses.replace(
        compared, gradient_norm=math.hypot(*norms), parameters=tuple(names), gradient_norms=norms
    )
    if expected is None:
        return normed
    deviation, worst = gradient_deviation(gradient, expected)
    return dataclasses.replace(normed, max_gradient_deviation=deviation, worst_gradient=worst)


def gradient_deviation(
    gradient: Mapping[str, NDArray[np.float32]], expected: Mapping[str, Array64]
) -> tuple[float, str]:
    """Return the deviation of the worst parameter's gradient, and that parameter's name.

    Each is relative to its own size, so that a large gradient cannot hide the error of a small one: rms(g -
    reference) / rms(reference), the ratio of their Euclidean norms. Infinite where a gradient is not a number.
    """
    least = LEAST_SLOPE * max(_rms(slope) for slope in expected.values())
    deviations = {name: _rms(gradient[name] - slope) / max(_rms(slope), least) for name, slope in expected.items()}
    worst = max(deviations, key=lambda name: np.inf if np.isnan(deviations[name]) else deviations[name])
    return (deviations[worst] if np.isfinite(deviations[worst]) else float("inf")), worst


def _rms(values: NDArray[Any]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def parameter_deviation(trained: Mapping[str, NDArray[np.float32]], expected: Mapping[str, Array64]) -> float:
    """Return the largest |parameter - reference|; infinite where one is not a number."""
    deviations = [float(np.max(np.abs(trained[name] - value))) for name, value in expected.items()]
    return max(deviations) if np.all(np.isfinite(deviations)) else float("inf")  # max() alone ignores a NaN


def within(workload: Workload, trained: Mapping[str, float]) -> bool:
    """Return whether every parameter is within the workload's tolerance of the true value that made the data."""
    return all(abs(trained[name] - truth) <= workload.tolerance for name, truth in workload.truth.items())


def fault(accuracy: Accuracy, workload: Workload, precision: Precision) -> str:
    """Return why this result is wrong in this precision, as one sentence; empty when it passes the gate."""
    if accuracy.init_sha256 != sha256(workload.parameters):
        return "the initial parameters are not the workload's"
    return deviation_fault(accuracy, Tolerances.of(workload), precision)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """The deviations from the float64 reference that a workload allows in float32, the same in all of its sizes."""

    loss: float
    gradient: float | None  # None: it is not compared
    parameter: float

    @staticmethod
    def of(workload: Workload) -> "Tolerances":
        """Return those of `workload`."""
        return Tolerances(
            loss=workload.loss_tolerance,
            gradient=workload.gradient_tolerance,
            parameter=workload.parameter_tolerance,
        )


def deviation_fault(accuracy: Accuracy, tolerances: Tolerances, precision: Precision) -> str:
    """Return why these deviations are too large in this precision, as `fault`; it needs no arrays of the workload."""
    loss_tolerance = max(tolerances.loss, precision.loss)
    gradient_tolerance = max(tolerances.gradient or 0.0, precision.gradient)
    if not np.all(np.isfinite(accuracy.losses)):
        return "a loss is not a number"
    deviation = accuracy.rms_deviation if precision.rms else None
    if deviation is not None and not deviation <= precision.rms:
        told = accuracy.classes
        alike = f"; {told.agreement:.1%} of them name the same class" if told else ""
        return (
            f"the predictions differ from those of float64 NumPy by {deviation:.2g} in the root mean square,"
            f" more than {precision.rms:g}{alike}"
        )
    if deviation is None and (deviation := accuracy.max_loss_deviation) is not None and not deviation <= loss_tolerance:
        pair = (
            "losses differ from the float64 reference"
            if accuracy.losses
            else "predictions differ from those of float64 NumPy"
        )
        return f"the {pair} by {deviation:.2e}, more than {loss_tolerance:.0e}"
    deviation = accuracy.max_gradient_deviation
    if deviation is not None and tolerances.gradient is not None and not deviation <= gradient_tolerance:
        return (
            f"the gradient of {accuracy.worst_gradient} differs from the float64 reference by {deviation:.2e}"
            f" of its norm, more than {gradient_tolerance:.0e}"
        )
    deviation = accuracy.max_parameter_deviation
    if deviation is not None and np.isfinite(deviation) and not precision.compares_parameters:
        return ""
    if deviation is not None and not deviation <= tolerances.parameter:
        return (
            f"a trained parameter differs from the reference's by {deviation:.2e}, more than {tolerances.parameter:.0e}"
        )
    return ""
