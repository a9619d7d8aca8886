"""Accuracy: what was computed, held against the float64 reference."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Accuracy, Cell, Record
from harness.format import Value, beginning, parameter, scientific, significant
from harness.report.tables.column import WHO, Column, context
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table, inference_remark
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow(Row):
    """What was computed, of the replicate farthest from the reference."""

    accuracy: Accuracy | None
    within_tolerance: bool | None  # in every replicate
    data_sha256: str  # distinct ones joined by spaces: more than one is a fault
    init_sha256: str


def accuracy_rows(run: Run) -> tuple[AccuracyRow, ...]:
    """Return a row for each cell of the identical track."""
    return tuple(_accuracy_row(run, cell, records) for cell, records in by_cell(run, "identical").items())


def _accuracy_row(run: Run, cell: Cell, records: Sequence[Record]) -> AccuracyRow:
    seen = [record.accuracy for record in records if record.accuracy is not None]
    return AccuracyRow(
        **head(run, cell, records),
        accuracy=max(seen, key=_deviation, default=None),
        within_tolerance=_all(one.within_tolerance for one in seen),
        data_sha256=" ".join(sorted({one.data_sha256 for one in seen})),
        init_sha256=" ".join(sorted({one.init_sha256 for one in seen})),
    )


def _all(told: Iterable[bool | None]) -> bool | None:
    """Return whether all that know say yes; None when none knows."""
    known = [one for one in told if one is not None]
    return all(known) if known else None


def _deviation(accuracy: Accuracy) -> float:
    """Return the deviation to rank by: what is not a number is the worst."""
    off = accuracy.max_loss_deviation
    if off is None:
        return -math.inf  # there was nothing to compare with
    return math.inf if math.isnan(off) else off


def _of_accuracy(name: str) -> Callable[[AccuracyRow], Value]:
    """Return the getter of a figure of the gate."""
    return lambda row: getattr(row.accuracy, name) if row.accuracy else None


def _loss(place: int) -> Callable[[AccuracyRow], Value]:
    """Return the getter of one loss of the gate's run."""
    return lambda row: row.accuracy.losses[place] if row.accuracy and row.accuracy.losses else None


ACCURACY_COLUMNS: Final[tuple[Column[AccuracyRow], ...]] = (
    *WHO,
    *context("workload", "optimizer"),
    Column(key="weight", heading="weight", format=parameter, get=_of_accuracy("weight")),
    Column(key="bias", heading="bias", format=parameter, get=_of_accuracy("bias")),
    Column(key="within_tolerance", heading="within", unit="±0.05", folds="narrow", get=attrgetter("within_tolerance")),
    Column(
        key="max_loss_deviation",
        heading="loss off by",
        unit="at most",
        format=scientific,
        get=_of_accuracy("max_loss_deviation"),
    ),
    Column(heading="formula", where="wide", get=_of_accuracy("formula")),
    *(
        Column(key=key, heading=heading, unit="SHA-256", format=beginning, folds="narrow", get=attrgetter(key))
        for key, heading in (("data_sha256", "data"), ("init_sha256", "start"))
    ),
    *context("size", "precision"),
    Column(key="first_loss", heading="loss", unit="first", format=significant, where="wide", get=_loss(0)),
    Column(key="last_loss", heading="loss", unit="last", format=significant, where="wide", get=_loss(-1)),
    *(
        Column(key=key, heading=heading, unit=unit, format=format_, where="wide", get=_of_accuracy(key))
        for key, heading, unit, format_ in (
            ("max_parameter_deviation", "parameters", "off by", scientific),
            ("gradient_norm", "gradient", "norm", significant),
        )
    ),
    Column(
        key="max_gradient_deviation",
        heading="gradient",
        unit="off by",
        format=scientific,
        get=_of_accuracy("max_gradient_deviation"),
    ),
    Column(key="worst_gradient", heading="gradient", unit="of", where="wide", get=_of_accuracy("worst_gradient")),
)


def table(found: tuple[AccuracyRow, ...]) -> Table[AccuracyRow]:
    """Return the table of accuracy."""
    return Table(
        name="accuracy",
        title="Accuracy",
        about="What was computed, against a float64 NumPy reference of the same formula from the same bytes.",
        columns=ACCURACY_COLUMNS,
        rows=found,
        is_hole=lambda row: row.accuracy is None,
        tells_reasons=False,
        remarks=inference_remark(found, "they have no losses, and what is off is their output, against NumPy's"),
    )
