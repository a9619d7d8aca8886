"""Did all frameworks do the same work? Their first loss, gradient and last loss against one another, at every size.

The float64 reference judges the sizes that it can be computed for, in the replicate. Beyond them frameworks judge one
another: who is apart from the median of all of them is invalid; of two that differ nobody knows which, so both are.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Final

from bench.records.record import Accuracy, Cell, Failure, Record
from bench.reference.precision import PRECISIONS, Precision


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that frameworks must agree in."""

    name: str
    of: Callable[[Accuracy], float | None]
    within: float  # relative, in float32: what the order of additions makes of it
    coarse: Callable[[Precision], float] = attrgetter("loss")  # the same in a coarser precision
    by_formula: bool = False  # the two formulas of Adam end apart


MEASURES = (
    Measure("first loss", lambda one: one.losses[0] if one.losses else None, 1e-5),
    Measure("norm of the gradient", lambda one: one.gradient_norm, 1e-4),
    Measure("norm of the predictions", lambda one: one.prediction_norm, 1e-4),
    Measure("last loss", lambda one: one.losses[-1] if one.losses else None, 1e-3, by_formula=True),
)

FLAT: Final = 1e-5  # of the whole gradient's norm: what is below may be rounding alone


def judged(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records, those that are apart from the other frameworks' as invalid, with the reason."""
    apart: dict[tuple[Cell, int, int], str] = {}
    for measure in (*MEASURES, *_by_parameter(records)):
        for group in _groups(records, measure):
            for record, reason in _apart(measure, group):
                apart.setdefault((record.cell, record.block, record.attempt), reason)
    return tuple(_judge(record, apart.get((record.cell, record.block, record.attempt), "")) for record in records)


def _by_parameter(records: Iterable[Record]) -> Iterator[Measure]:
    """Yield a measure for each parameter's gradient: in the norm of all of them a small one hides."""
    names = dict.fromkeys(name for record in records if record.accuracy for name in record.accuracy.parameters)
    for name in names:
        yield Measure(f"norm of the gradient of {name}", partial(_slope, name), 1e-3, coarse=attrgetter("gradient"))


def _slope(name: str, one: Accuracy) -> float | None:
    """Return the norm of one parameter's gradient; None where there is none, or next to none."""
    norm = dict(zip(one.parameters, one.gradient_norms, strict=True)).get(name)
    return None if norm is None or one.gradient_norm is None or norm < FLAT * one.gradient_norm else norm


def _judge(record: Record, reason: str) -> Record:
    if not reason or record.status != "ok":
        return record
    return dataclasses.replace(record, status="invalid", reason=reason, failure=Failure(phase="check"))


def _groups(records: Iterable[Record], measure: Measure) -> Iterable[Mapping[str, Sequence[Record]]]:
    """Return the good records that must agree, by framework."""
    groups: dict[tuple[str, ...], dict[str, list[Record]]] = {}
    for record in records:
        accuracy, cell = record.accuracy, record.cell
        if record.status != "ok" or cell.track != "identical" or accuracy is None or measure.of(accuracy) is None:
            continue
        formula = accuracy.formula if measure.by_formula else ""
        key = (cell.workload, cell.optimizer, cell.size, cell.precision, formula)
        groups.setdefault(key, {}).setdefault(cell.framework, []).append(record)
    return groups.values()


def _apart(measure: Measure, group: Mapping[str, Sequence[Record]]) -> Iterator[tuple[Record, str]]:
    """Yield the records that are apart, each with the reason; a framework has one voice, however many modes it has."""
    told = {framework: [_value(measure, record) for record in records] for framework, records in group.items()}
    voices = [statistics.median(finite) for values in told.values() if (finite := list(filter(math.isfinite, values)))]
    middle = statistics.median(voices) if voices else math.nan
    for framework, records in group.items():
        for record, value in zip(records, told[framework], strict=True):
            if not abs(value - middle) <= _within(measure, record) * abs(middle):
                yield record, f"its {measure.name} is {value:.7g}, the median of {len(told)} frameworks {middle:.7g}"


def _within(measure: Measure, record: Record) -> float:
    """Return how near it has to come in the record's precision, whose rounding is seen in all of them alike."""
    return max(measure.within, measure.coarse(PRECISIONS[record.cell.precision]))


def _value(measure: Measure, record: Record) -> float:
    found = measure.of(record.accuracy) if record.accuracy else None
    return math.nan if found is None else found
