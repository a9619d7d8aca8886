"""What a path's predictions are worth beside float64's: the columns of the table of inference on loss and classes.

What is won in time and size stands in the same row. The CSV has the figures, the table the differences.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from bench.records.record import Classes
from harness.format import Value, scientific, share, signed
from harness.report.tables.column import Column


class Predicting(Protocol):
    """A row with predictions."""

    @property
    def rms_deviation(self) -> float | None:
        """Root mean square of the predictions' differences from float64's, relative to that of float64's."""
        ...

    @property
    def classes(self) -> Classes | None:
        """What the predictions are worth as classes; None: not known."""
        ...


def _of(get: Callable[[Classes], Value]) -> Callable[[Predicting], Value]:
    return lambda row: get(row.classes) if row.classes else None


def _both(name: str, format_: Callable[[Value], str]) -> Callable[[Predicting], str]:
    def hint(row: Predicting) -> str:
        if row.classes is None:
            return ""
        own, reference = getattr(row.classes, name), getattr(row.classes, f"reference_{name}")
        return f"{format_(own)}, float64's {format_(reference)}; of {row.classes.labels} labels"

    return hint


def _plain_loss(value: Value) -> str:
    return f"{value:.4f}" if isinstance(value, float) else ""


SHOWN: Final[tuple[Column[Any], ...]] = (
    Column(
        heading="deviation",
        unit="rms",
        where="wide",
        format=scientific,
        get=lambda row: row.rms_deviation,
        explanation="Root mean square of the differences of the predictions from float64's, relative to that of those:"
        " what int8 is held to.",
    ),
    Column(
        heading="same class",
        unit="as float64",
        format=share,
        get=_of(lambda of: of.agreement),
        explanation="Share of the predictions that are largest at the same class as float64's with the trained"
        " parameters, over the whole batch.",
    ),
    Column(
        heading="loss",
        unit="− float64's",
        format=signed,
        get=_of(lambda of: of.loss - of.reference_loss),
        hint=_both("loss", _plain_loss),
        explanation="Mean cross-entropy of the predictions minus that of float64's, over the labels of the rows that"
        " the model was trained on, as many as the batch has.",
    ),
    Column(
        heading="correct",
        unit="− float64's",
        format=lambda value: f"{signed(100 * value)} %" if isinstance(value, float) else "",
        get=_of(lambda of: of.correct - of.reference_correct),
        hint=_both("correct", share),
        explanation="Share of the same labels that the largest prediction names, minus float64's share.",
    ),
)
KEPT: Final[tuple[Column[Any], ...]] = (
    Column(key="rms_deviation", get=lambda row: row.rms_deviation),
    Column(key="agreement", get=_of(lambda of: of.agreement)),
    Column(key="labels", type="integer", get=_of(lambda of: of.labels)),
    Column(key="loss", get=_of(lambda of: of.loss)),
    Column(key="reference_loss", get=_of(lambda of: of.reference_loss)),
    Column(key="correct", get=_of(lambda of: of.correct)),
    Column(key="reference_correct", get=_of(lambda of: of.reference_correct)),
)
