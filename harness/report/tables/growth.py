"""Records of a run → how a mode's cost grows with the work: rates at each size, and where it overtakes its baseline."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.catalogue import SizeOffer
from bench.records.record import Cell
from harness.report.facts import Run
from harness.report.rows import Row, StepRow
from harness.stats.estimate import Estimate
from harness.validity.roofline import Bound, Limits, work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthRow(Row):
    """One cell of a workload that comes in a ladder of sizes, by what a step of that size amounts to."""

    work: SizeOffer
    step_ns: Estimate | None  # time per step
    speedup: Estimate | None  # baseline / this, at the same size
    bound: Bound | None  # what keeps it from being faster; None: it has no time

    def per_second(self, amount: int) -> float | None:
        """Return how much is done in a second when a step does `amount`."""
        return amount / self.step_ns.value * 1e9 if self.step_ns else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossoverRow(Row):
    """A mode over all its sizes; `cell` has the size that it is ahead from, empty when there is none."""

    baseline: str
    sizes: tuple[str, ...]  # those with a time of both, from the smallest
    ahead_from: str  # smallest size from which it is faster than its baseline, at all larger ones too; empty: none
    speedups: tuple[float, ...]  # baseline / this at `sizes`


def growth_rows(run: Run, steps: Iterable[StepRow]) -> tuple[GrowthRow, ...]:
    """Return a row for each cell of a ladder, from the smallest size to the largest."""
    works = _works(run)
    limits = Limits(run.records, run.facts.frameworks)
    rows = [
        _growth_row(row, work_of(row.cell, works[row.cell.workload, row.cell.size]), limits)
        for row in steps
        if (row.cell.workload, row.cell.size) in works
    ]
    place = {cell: at for at, cell in enumerate(dict.fromkeys(line_of(row.cell) for row in rows))}
    return tuple(sorted(rows, key=lambda row: (place[line_of(row.cell)], row.work.flops)))


def _growth_row(row: StepRow, work: SizeOffer, limits: Limits) -> GrowthRow:
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
    """Return what a step of each size amounts to, for the workloads that come in a ladder."""
    return {
        (workload.name, work.name): work
        for workload in run.facts.workloads
        if workload.is_ladder
        for work in workload.works
    }


def line_of(cell: Cell) -> Cell:
    """Return what cells have in common that differ in size alone."""
    return replace(cell, size="")


def crossover_rows(found: Sequence[GrowthRow], steps: Iterable[StepRow]) -> tuple[CrossoverRow, ...]:
    """Return a row for each mode that was timed at two sizes or more, beside its baseline."""
    baselines = {row.cell: row.baseline for row in steps if not row.is_baseline and row.baseline}
    lines: dict[Cell, list[GrowthRow]] = {}
    for row in found:
        if row.cell in baselines and row.speedup is not None:
            lines.setdefault(line_of(row.cell), []).append(row)
    return tuple(_crossover(line, baselines[line[0].cell]) for line in lines.values() if len(line) > 1)


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
