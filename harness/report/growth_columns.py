"""The columns of the tables of growth."""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from harness.report.columns import CELL, WHO, Column, context
from harness.report.formats import Value, percent, significant, times
from harness.report.growth import CrossoverRow, GrowthRow


def _rate(amount: Callable[[GrowthRow], int], scale: float = 1.0) -> Callable[[GrowthRow], Value]:
    def per_second(row: GrowthRow) -> Value:
        found = row.per_second(amount(row))
        return None if found is None else found / scale

    return per_second


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
    Column(key="steps_per_s", heading="steps", unit="per s", format=significant, get=_rate(lambda row: 1)),
    Column(
        key="samples_per_s",
        heading="samples",
        unit="per s",
        format=significant,
        get=_rate(lambda row: row.work.samples),
    ),
    Column(
        key="gflop_per_s", heading="Gflop", unit="per s", format=significant, get=_rate(lambda row: row.work.flops, 1e9)
    ),
    Column(
        key="gbyte_per_s", heading="GB", unit="per s", format=significant, get=_rate(lambda row: row.work.bytes, 1e9)
    ),
    Column(
        key="speedup_vs_eager",
        heading="speed-up",
        unit="vs base",
        format=times,
        get=lambda row: row.speedup.value if row.speedup else None,
    ),
    Column(key="bound", heading="bound", unit="by", get=lambda row: row.bound.kind if row.bound else None),
    Column(
        key="share_of_limit",
        heading="of limit",
        unit="that binds",
        format=percent,
        get=lambda row: row.bound.share.value if row.bound and row.bound.share else None,
        hint=lambda row: row.bound.share.sentence if row.bound and row.bound.share else "",
    ),
    Column(
        key="times_launch",
        heading="launches",
        unit="emptiest",
        format=times,
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
