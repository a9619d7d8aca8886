"""The columns of the tables of growth."""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from harness.format import Value, percent, significant, times
from harness.report.columns import CELL, WHO, Column, context
from harness.report.tables.growth import CrossoverRow, GrowthRow
from harness.validity.roofline import Bound


def _rate(amount: Callable[[GrowthRow], int], scale: float = 1.0) -> Callable[[GrowthRow], Value]:
    def per_second(row: GrowthRow) -> Value:
        found = row.per_second(amount(row))
        return None if found is None else found / scale

    return per_second


def _binds(bound: Bound | None) -> Value:
    """Return what binds and how much of it is used, in a few words."""
    if bound is None or not bound.kind:
        return None
    if bound.launches is not None:
        return f"{times(bound.launches)} launch"
    return f"{bound.kind} {percent(bound.share.value)}" if bound.share else bound.kind


GROWTH_COLUMNS: Final[tuple[Column[GrowthRow], ...]] = (
    *WHO,
    *CELL,
    Column(
        key="step_us",
        heading="step",
        unit="µs",
        format=significant,
        get=lambda row: row.step_ns.value / 1e3 if row.step_ns else None,
    ),
    Column(
        key="steps_per_s", heading="steps", unit="per s", format=significant, where="wide", get=_rate(lambda row: 1)
    ),
    Column(
        key="samples_per_s",
        heading="samples",
        unit="per s",
        format=significant,
        where="wide",
        get=_rate(lambda row: row.work.samples),
    ),
    Column(
        key="gflop_per_s",
        heading="Gflop",
        unit="per s",
        format=significant,
        where="wide",
        get=_rate(lambda row: row.work.flops, 1e9),
    ),
    Column(
        key="gbyte_per_s",
        heading="GB",
        unit="per s",
        format=significant,
        where="wide",
        get=_rate(lambda row: row.work.bytes, 1e9),
    ),
    Column(
        key="speedup_vs_eager",
        heading="speed-up",
        unit="vs base",
        format=times,
        get=lambda row: row.speedup.value if row.speedup else None,
    ),
    Column(heading="bound by", where="narrow", get=lambda row: _binds(row.bound)),
    Column(
        key="bound", heading="bound", unit="by", where="wide", get=lambda row: row.bound.kind if row.bound else None
    ),
    Column(
        key="share_of_limit",
        heading="of limit",
        unit="that binds",
        format=percent,
        where="wide",
        get=lambda row: row.bound.share.value if row.bound and row.bound.share else None,
        hint=lambda row: row.bound.share.sentence if row.bound and row.bound.share else "",
    ),
    Column(
        key="times_launch",
        heading="launches",
        unit="emptiest",
        format=times,
        where="wide",
        get=lambda row: row.bound.launches if row.bound else None,
    ),
    Column(key="limit_missing", get=lambda row: row.bound.why if row.bound else None),
)

CROSSOVER_COLUMNS: Final[tuple[Column[CrossoverRow], ...]] = (
    *WHO,
    *context("workload", "optimizer", "precision", "device"),
    Column(key="baseline", heading="against", get=attrgetter("baseline")),
    Column(key="sizes", heading="sizes", get=lambda row: " ".join(row.sizes)),
    Column(
        key="speedups",
        heading="speed-up",
        unit="at each",
        get=lambda row: " ".join(f"{speedup:.3g}" for speedup in row.speedups),
    ),
    Column(key="ahead_from", heading="ahead", unit="from", get=lambda row: row.ahead_from or None),
)
