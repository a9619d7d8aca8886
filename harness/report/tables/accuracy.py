"""Accuracy: the computed losses and parameters against the float64 reference."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Accuracy, Cell, Record
from harness.format import Value, beginning, parameter, scientific, significant
from harness.report.tables.column import BATCH, FRAMEWORK_AND_MODE, RANKS, VARIANT, Column, context
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table, inference_remark
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow(Row):
    """The result of a cell; of its replicates, the one farthest from the reference."""

    accuracy: Accuracy | None
    within_tolerance: bool | None  # in every replicate
    data_sha256: str  # distinct values, joined by spaces; more than one is an error
    init_sha256: str


def accuracy_rows(run: Run) -> tuple[AccuracyRow, ...]:
    """Return a row for each cell of the identical track."""
    return tuple(_accuracy_row(run, cell, records) for cell, records in by_cell(run, "identical").items())


def _accuracy_row(run: Run, cell: Cell, records: Sequence[Record]) -> AccuracyRow:
    accuracies = [record.accuracy for record in records if record.accuracy is not None]
    return AccuracyRow(
        **head(run, cell, records),
        accuracy=max(accuracies, key=_deviation, default=None),
        within_tolerance=_all(accuracy.within_tolerance for accuracy in accuracies),
        data_sha256=" ".join(sorted({accuracy.data_sha256 for accuracy in accuracies})),
        init_sha256=" ".join(sorted({accuracy.init_sha256 for accuracy in accuracies})),
    )


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Return whether all known answers are true; None when none is known."""
    known = [answer for answer in answers if answer is not None]
    return all(known) if known else None


def _deviation(accuracy: Accuracy) -> float:
    """Return the deviation to sort by; a NaN is the worst."""
    deviation = accuracy.max_loss_deviation
    if deviation is None:
        return -math.inf  # no reference to compare with
    return math.inf if math.isnan(deviation) else deviation


def _of_accuracy(name: str) -> Callable[[AccuracyRow], Value]:
    """Return the getter of one field of `Accuracy`."""
    return lambda row: getattr(row.accuracy, name) if row.accuracy else None


def _loss(index: int) -> Callable[[AccuracyRow], Value]:
    """Return the getter of the loss at `index` of the accuracy check."""
    return lambda row: row.accuracy.losses[index] if row.accuracy and row.accuracy.losses else None


ACCURACY_COLUMNS: Final[tuple[Column[AccuracyRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *context("workload", "optimizer"),
    Column(key="weight", heading="weight", format=parameter, get=_of_accuracy("weight")),
    Column(key="bias", heading="bias", format=parameter, get=_of_accuracy("bias")),
    Column(
        key="within_tolerance",
        type="boolean",
        heading="within",
        unit="±0.05",
        folds="narrow",
        get=attrgetter("within_tolerance"),
    ),
    Column(
        key="max_loss_deviation",
        heading="loss",
        unit="max deviation",
        format=scientific,
        get=_of_accuracy("max_loss_deviation"),
    ),
    Column(heading="formula", where="wide", get=_of_accuracy("formula")),
    *(
        Column(
            key=key,
            type="string",
            heading=heading,
            unit="SHA-256",
            format=beginning,
            folds="narrow",
            get=attrgetter(key),
        )
        for key, heading in (("data_sha256", "data"), ("init_sha256", "start"))
    ),
    *context("size", "precision"),
    Column(key="first_loss", heading="loss", unit="first", format=significant, where="wide", get=_loss(0)),
    Column(key="last_loss", heading="loss", unit="last", format=significant, where="wide", get=_loss(-1)),
    *(
        Column(key=key, heading=heading, unit=unit, format=format_, where="wide", get=_of_accuracy(key))
        for key, heading, unit, format_ in (
            ("max_parameter_deviation", "parameters", "max deviation", scientific),
            ("gradient_norm", "gradient", "norm", significant),
        )
    ),
    Column(
        key="max_gradient_deviation",
        heading="gradient",
        unit="max deviation",
        format=scientific,
        get=_of_accuracy("max_gradient_deviation"),
    ),
    Column(
        key="worst_gradient",
        type="string",
        heading="gradient",
        unit="worst in",
        where="wide",
        get=_of_accuracy("worst_gradient"),
    ),
    BATCH,
    *RANKS,
    VARIANT,
)


def table(rows: tuple[AccuracyRow, ...]) -> Table[AccuracyRow]:
    """Return the table of accuracy."""
    return Table(
        name="accuracy",
        title="Accuracy",
        about="The result of each cell, compared with a float64 NumPy reference that uses the same formula and the"
        " same bytes.",
        columns=ACCURACY_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.accuracy is None,
        shows_reasons=False,
        remarks=inference_remark(rows, "they have no losses; the deviation is that of their output from NumPy's"),
    )
