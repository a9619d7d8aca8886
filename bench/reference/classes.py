"""Predictions of a trained model as classes: their loss, what they name rightly, where they agree with float64's."""

import numpy as np

from bench.records.record import Classes
from bench.reference.workload import Array64, Workload


def classes(workload: Workload, predictions: Array64, reference: Array64) -> Classes | None:
    """Return what `predictions` of a trained `workload` are worth beside `reference`, both of shape (n,).

    None where predictions are missing or no numbers. Its labels are whole numbers below the number of logits.
    """
    if predictions.shape != reference.shape or not np.all(np.isfinite(predictions)):
        return None
    y = workload.batch.y
    labels = y[: workload.trained_rows].ravel()
    found, expected = (logits.reshape(y.size, -1) for logits in (predictions, reference))  # (labels, classes)
    return Classes(
        labels=labels.size,
        loss=_cross_entropy(found[: labels.size], labels),
        reference_loss=_cross_entropy(expected[: labels.size], labels),
        correct=float(np.mean(found[: labels.size].argmax(axis=1) == labels)),
        reference_correct=float(np.mean(expected[: labels.size].argmax(axis=1) == labels)),
        agreement=float(np.mean(found.argmax(axis=1) == expected.argmax(axis=1))),
    )


def _cross_entropy(logits: Array64, labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> float:
    """Return the mean of -log softmax(logits)[label], logits of shape (labels, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - own))
