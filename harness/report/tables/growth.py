"""Growth: rates at each size of a workload, and the size from which a mode is faster than its baseline."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.catalogue import SizeOffer
from bench.records.record import Cell
from harness.format import Value, percent, significant, times
from harness.report.tables.column import (
    CELL,
    FRAMEWORK_AND_MODE,
    VARIANT,
    Column,
    context,
    extent_span,
    narrow_interval,
    wide_span,
)
from harness.report.tables.row import Row
from harness.report.tables.steps import StepRow
from harness.report.tables.table import Table, rows_in_words
from harness.stats.estimate import Estimate
from harness.validity.results import Run
from harness.validity.roofline import Bound, MachineLimits, work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthRow(Row):
    """One cell of a workload with a ladder of sizes, and the declared work of its step."""

    work: SizeOffer
    step_ns: Estimate | None  # time per step
    speedup: Estimate | None  # baseline / this, at the same size
    bound: Bound | None  # the limit that bounds the cell; None: the cell has no time

    def per_second(self, amount: int) -> float | None:
        """Return the rate per second when a step does `amount`; None without a time."""
        return amount / self.step_ns.value * 1e9 if self.step_ns else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossoverRow(Row):
    """A mode over all its sizes; the size of `cell` is empty."""

    baseline: str
    sizes: tuple[str, ...]  # sizes at which both have a time, smallest first
    ahead_from: str  # the smallest size from which on it is faster than its baseline; empty: none
    speedups: tuple[float, ...]  # baseline / this at `sizes`


def growth_rows(run: Run, steps: Iterable[StepRow]) -> tuple[GrowthRow, ...]:
    """Return a row for each cell of a workload with a ladder of sizes, smallest size first."""
    works = _works(run)
    limits = MachineLimits(run.records, run.facts.frameworks)
    rows = [
        _growth_row(row, work_of(row.cell, works[row.cell.workload, row.cell.size]), limits)
        for row in steps
        if (row.cell.workload, row.cell.size) in works and not row.cell.batch  # those have a table of their own
    ]
    positions = {line: index for index, line in enumerate(dict.fromkeys(line_of(row.cell) for row in rows))}
    return tuple(sorted(rows, key=lambda row: (positions[line_of(row.cell)], row.work.flops)))


def crossover_rows(rows: Sequence[GrowthRow], steps: Iterable[StepRow]) -> tuple[CrossoverRow, ...]:
    """Return a row for each mode that has a speed-up at two sizes or more."""
    baselines = {row.cell: row.baseline for row in steps if not row.is_baseline and row.baseline}
    lines: dict[Cell, list[GrowthRow]] = {}
    for row in rows:
        if row.cell in baselines and row.speedup is not None:
            lines.setdefault(line_of(row.cell), []).append(row)
    return tuple(_crossover(line, baselines[line[0].cell]) for line in lines.values() if len(line) > 1)


def line_of(cell: Cell) -> Cell:
    """Return `cell` without its size: what the cells of one line of a ladder have in common."""
    return replace(cell, size="")


def _growth_row(row: StepRow, work: SizeOffer, limits: MachineLimits) -> GrowthRow:
    return GrowthRow(
        cell=row.cell,
        title=row.title,
        status=row.status,
        reason=row.reason,
        source=row.source,
        work=work,
        step_ns=row.step_ns,
        speedup=row.speedup,
        bound=limits.bound(row.cell, work, row.step_ns.value) if row.step_ns else None,
    )


def _works(run: Run) -> Mapping[tuple[str, str], SizeOffer]:
    """Return the declared work by (workload, size), for the workloads with a ladder of sizes."""
    return {
        (workload.name, work.name): work
        for workload in run.facts.workloads
        if workload.is_ladder
        for work in workload.works
    }


def _crossover(line: Sequence[GrowthRow], baseline: str) -> CrossoverRow:
    speedups = [(row.cell.size, row.speedup.value) for row in line if row.speedup is not None]
    ahead = ""
    for size, speedup in reversed(speedups):
        if speedup <= 1:
            break
        ahead = size
    return CrossoverRow(
        cell=line_of(line[0].cell),
        title=line[0].title,
        status="ok",
        reason="",
        baseline=baseline,
        sizes=tuple(size for size, _ in speedups),
        ahead_from=ahead,
        speedups=tuple(speedup for _, speedup in speedups),
    )


def _rate(amount: Callable[[GrowthRow], int], scale: float = 1.0) -> Callable[[GrowthRow], Value]:
    def per_second(row: GrowthRow) -> Value:
        rate = row.per_second(amount(row))
        return None if rate is None else rate / scale

    return per_second


def _bound_text(bound: Bound | None) -> Value:
    """Return the limit that bounds the cell and the share of it that the cell reaches, as one short text."""
    if bound is None or not bound.kind:
        return None
    if bound.launches is not None:
        return f"{times(bound.launches)} launch"
    return f"{bound.kind} {percent(bound.share.value)}" if bound.share else bound.kind


GROWTH_COLUMNS: Final[tuple[Column[GrowthRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(
        key="step_us",
        heading="step",
        unit="µs",
        format=significant,
        get=lambda row: row.step_ns.value / 1e3 if row.step_ns else None,
        instead=lambda row: extent_span(row.step_ns, 1e3),
        interval=lambda row: narrow_interval(row.step_ns, 1e3),
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
        instead=lambda row: wide_span(row.speedup),
        interval=lambda row: narrow_interval(row.speedup),
    ),
    Column(heading="bound by", where="narrow", get=lambda row: _bound_text(row.bound)),
    Column(
        key="bound",
        type="string",
        heading="bound",
        unit="by",
        where="wide",
        get=lambda row: row.bound.kind if row.bound else None,
    ),
    Column(
        key="share_of_limit",
        heading="share",
        unit="of limit",
        format=percent,
        where="wide",
        get=lambda row: row.bound.share.value if row.bound and row.bound.share else None,
        hint=lambda row: row.bound.share.sentence if row.bound and row.bound.share else "",
    ),
    Column(
        key="times_launch",
        heading="step",
        unit="÷ empty launch",
        format=times,
        where="wide",
        get=lambda row: row.bound.launches if row.bound else None,
    ),
    Column(key="limit_missing", type="string", get=lambda row: row.bound.why if row.bound else None),
    VARIANT,
)


CROSSOVER_COLUMNS: Final[tuple[Column[CrossoverRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *context("workload", "optimizer", "precision", "device"),
    Column(key="baseline", type="string", heading="against", get=attrgetter("baseline")),
    Column(key="sizes", type="strings", heading="sizes", get=lambda row: " ".join(row.sizes)),
    Column(
        key="speedups",
        type="strings",
        heading="speed-up",
        unit="at each",
        get=lambda row: " ".join(f"{speedup:.3g}" for speedup in row.speedups),
    ),
    Column(key="ahead_from", type="string", heading="ahead", unit="from", get=lambda row: row.ahead_from or None),
    VARIANT,
)


def table(rows: tuple[GrowthRow, ...]) -> Table[GrowthRow]:
    """Return the table of growth."""
    missing = Counter(row.bound.why for row in rows if row.bound and row.bound.why)
    return Table(
        name="growth",
        title="Growth",
        about="What each mode does per second as the work grows. Operations are those declared for a step of the"
        " workload; bytes are the least that a step must read and write. A cell is bound by the measured limit of"
        " which it reaches the largest share. It is bound by launches when its step takes less than 100 µs, or when it"
        " reaches less than 1 % of every limit.",
        columns=GROWTH_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: row.step_ns is None,
        shows_reasons=False,
        remarks=tuple(f"No limit in {rows_in_words(count)}: {why}." for why, count in missing.items()),
    )


def crossovers_table(rows: tuple[CrossoverRow, ...]) -> Table[CrossoverRow]:
    """Return the table of crossovers."""
    return Table(
        name="crossovers",
        title="Crossovers",
        about="The size from which on a mode is faster than its baseline. It compares the times per step, without"
        " verdicts.",
        columns=CROSSOVER_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: not row.ahead_from,
        shows_reasons=False,
    )
