"""Did all frameworks do the same work? Their losses, gradients and predictions are compared, at every size.

The float64 reference checks the sizes that it can be computed for, in the replicate. Beyond them the frameworks are
compared with one another: what differs from the median of all is invalid. Of two that differ it is not known which is
wrong, so both are invalid.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Final

from bench.records.record import Accuracy, Record
from bench.reference.precision import PRECISIONS, Precision
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number that frameworks must agree in."""

    name: str
    of: Callable[[Accuracy], float | None]
    within: float  # relative, in float32: the effect of another order of additions
    coarse: Callable[[Precision], float] = attrgetter("loss")  # the same in a coarser precision
    by_formula: bool = False  # the two formulas of Adam end at different values


MEASURES: Final = (
    Measure(name="first loss", of=lambda accuracy: accuracy.losses[0] if accuracy.losses else None, within=1e-5),
    Measure(name="norm of the gradient", of=lambda accuracy: accuracy.gradient_norm, within=1e-4),
    Measure(name="norm of the predictions", of=lambda accuracy: accuracy.prediction_norm, within=1e-4),
    Measure(
        name="last loss",
        of=lambda accuracy: accuracy.losses[-1] if accuracy.losses else None,
        within=1e-3,
        by_formula=True,
    ),
)
FLAT: Final = 1e-5  # of the whole gradient's norm: a smaller gradient may be rounding alone


def disagreeing(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield the replicates that differ from the frameworks' median; each framework counts once."""
    for measure in (*MEASURES, *_by_parameter(records)):
        for group in _groups(records, measure):
            yield from _differing(measure, group)


def _by_parameter(records: Iterable[Record]) -> Iterator[Measure]:
    """Yield a measure for each parameter's gradient: a small one has no effect on the norm of all of them."""
    names = dict.fromkeys(name for record in records if record.accuracy for name in record.accuracy.parameters)
    for name in names:
        yield Measure(
            name=f"norm of the gradient of {name}",
            of=partial(_parameter_norm, name),
            within=1e-3,
            coarse=attrgetter("gradient"),
        )


def _parameter_norm(name: str, accuracy: Accuracy) -> float | None:
    """Return the norm of one parameter's gradient; None where there is none, or it may be rounding alone."""
    norm = dict(zip(accuracy.parameters, accuracy.gradient_norms, strict=True)).get(name)
    if norm is None or accuracy.gradient_norm is None or norm < FLAT * accuracy.gradient_norm:
        return None
    return norm


def _groups(records: Iterable[Record], measure: Measure) -> Iterable[Mapping[str, Sequence[Record]]]:
    """Return the groups of good records that must agree, each by framework."""
    groups: dict[tuple[str, ...], dict[str, list[Record]]] = {}
    for record in records:
        accuracy, cell = record.accuracy, record.cell
        if record.status != "ok" or cell.track != "identical" or accuracy is None or measure.of(accuracy) is None:
            continue
        formula = accuracy.formula if measure.by_formula else ""
        key = (cell.workload, cell.optimizer, cell.size, cell.precision, str(cell.batch), str(cell.enlarged), formula)
        groups.setdefault(key, {}).setdefault(cell.framework, []).append(record)
    return groups.values()


def _differing(measure: Measure, group: Mapping[str, Sequence[Record]]) -> Iterator[Finding]:
    """Yield the records of a group that differ; each framework counts once, however many modes it has."""
    values = {framework: [_value(measure, record) for record in records] for framework, records in group.items()}
    medians = [
        statistics.median(finite) for numbers in values.values() if (finite := list(filter(math.isfinite, numbers)))
    ]
    middle = statistics.median(medians) if medians else math.nan
    for framework, records in group.items():
        for record, value in zip(records, values[framework], strict=True):
            if not abs(value - middle) <= _within(measure, record) * abs(middle):
                reason = f"its {measure.name} is {value:.7g}, the median of {len(values)} frameworks {middle:.7g}"
                yield Finding(key=key_of(record), reason=reason)


def _within(measure: Measure, record: Record) -> float:
    """Return the allowed relative difference in the record's precision."""
    return max(measure.within, measure.coarse(PRECISIONS[record.cell.precision]))


def _value(measure: Measure, record: Record) -> float:
    value = measure.of(record.accuracy) if record.accuracy else None
    return math.nan if value is None else value
