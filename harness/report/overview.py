"""The overview of a run: every cell's main figures as flat facts, for the page's matrix, filters and live charts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.records.record import Cell, Status
from harness.plan.label import ranks
from harness.report.ranking import Ranking
from harness.report.tables.all import Tables
from harness.report.tables.column import break_even_steps
from harness.report.tables.memory import peak_bytes
from harness.report.tables.row import Row
from harness.report.tables.steps import StepRow
from harness.stats.estimate import Estimate
from harness.validity.results import Run
from harness.validity.variants import is_reference, references

WORK: Final = (  # fields that say what is computed
    *("workload", "size", "optimizer", "precision", "device", "allocator", "batch"),
)

Work = tuple[str, ...]  # values of the fields in WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts:
    """One cell: what it is, how it ended, and its main figures; None: not applicable or not measured."""

    framework: str  # with its variant, as "jax@0.9.2"
    title: str  # of the framework, for people; the same
    mode: str
    workload: str
    size: str
    precision: str
    optimizer: str
    device: str
    allocator: str
    batch: str  # of an inference at a stated batch, as text; empty: the workload's own
    status: Status
    reason: str  # empty when the status is "ok"
    is_inference: bool  # not compared with training
    step_ns: float | None
    low_ns: float | None  # 95 % interval of the step
    high_ns: float | None
    first_step_ns: float | None
    first_low_ns: float | None  # 95 % interval of the first step
    first_high_ns: float | None
    speedup: float | None  # baseline's step ÷ this one
    break_even: int | str | None  # steps; "never"; "not told"
    peak_bytes: int | None  # resident set on a CPU; on a GPU what the framework's allocator reserved
    flags: tuple[str, ...]  # names of the warnings
    verdict: str | None  # against the baseline
    is_best: bool  # shortest step among the cells that it is compared with
    is_tied: bool  # the blocks do not tell its step from the best one
    competes: bool = True  # False: another variant of its framework stands for it beside other frameworks

    @property
    def work(self) -> Work:
        """What the cell computes, on what: values of the fields in WORK."""
        return tuple(getattr(self, name) for name in WORK)

    @property
    def name(self) -> str:
        """The framework and the mode, for people."""
        return f"{self.title} {self.mode}"


def cells(run: Run, tables: Tables) -> tuple[CellFacts, ...]:
    """Return the facts of each cell in the table of steps, in its order; of a run of memory alone, in that table's."""
    peaks = {row.cell: peak_bytes(row) for row in tables.memory.rows}
    standing = references(run)
    best, tied = _leaders(run, [row for row in tables.steps.rows if is_reference(row.cell, standing)])
    if tables.steps.rows:
        found = (
            _facts(row, peaks.get(row.cell), row, is_best=row.cell in best, is_tied=row.cell in tied)
            for row in tables.steps.rows
        )
    else:
        found = (_facts(row, peaks.get(row.cell)) for row in tables.memory.rows)
    rows: Sequence[Row] = tables.steps.rows or tables.memory.rows
    return tuple(
        replace(facts, competes=is_reference(row.cell, standing)) for facts, row in zip(found, rows, strict=True)
    )


def parallel_cells(tables: Tables) -> tuple[CellFacts, ...]:
    """Return the facts of each data-parallel cell; its mode says over how many ranks it is.

    They are no cells of the overview, whose steps are compared with one another.
    """
    found = ((_facts(row, None, row.step), ranks(row.cell)) for row in tables.scaling.rows)
    return tuple(
        replace(facts, mode=f"{facts.mode}{over}", flags=tuple(flag.name for flag in row.flags))
        for (facts, over), row in zip(found, tables.scaling.rows, strict=True)
    )


def work_of(cell: Cell) -> Work:
    """Return the values of the fields in WORK, as text; the batch is empty where it is the workload's own."""
    return (*(getattr(cell, name) for name in WORK[:-1]), str(cell.batch or ""))


def compared(rows: Iterable[CellFacts]) -> Mapping[tuple[bool, Work], list[CellFacts]]:
    """Return the cells in groups that may be compared: the same work, training and inference apart."""
    groups: dict[tuple[bool, Work], list[CellFacts]] = {}
    for row in rows:
        groups.setdefault((row.is_inference, row.work), []).append(row)
    return groups


def _leaders(run: Run, rows: Sequence[StepRow]) -> tuple[set[Cell], set[Cell]]:
    """Return the cells with the shortest step of their work, and those that the blocks do not tell from them."""
    groups: dict[tuple[object, ...], list[StepRow]] = {}
    for row in rows:
        if row.status == "ok" and row.step_ns is not None:
            key = (row.is_inference, *work_of(row.cell))
            groups.setdefault(key, []).append(row)
    best, tied = set(), set()
    for group in groups.values():
        first, *others = Ranking(run, group).shortest_rows()
        best.add(first.cell)
        if len(first.paired) > 1:  # one block tells nothing apart, which the page says in one sentence
            tied |= {row.cell for row in others}
    return best, tied


def _facts(
    row: Row, peak: int | None, step: StepRow | None = None, *, is_best: bool = False, is_tied: bool = False
) -> CellFacts:
    cell = row.cell
    step_ns, first_ns = (step.step_ns, step.first_step_ns) if step else (None, None)
    low, high = _ends(step_ns)
    first_low, first_high = _ends(first_ns)
    steps = break_even_steps(step.break_even) if step else None
    work: dict[str, Any] = dict(zip(WORK, work_of(cell), strict=True))
    return CellFacts(
        framework=cell.framework_id,
        mode=cell.mode,
        **work,
        title=row.title,
        status=row.status,
        reason=row.reason,
        is_inference=row.is_inference,
        step_ns=step_ns.value if step_ns else None,
        low_ns=low,
        high_ns=high,
        first_step_ns=first_ns.value if first_ns else None,
        first_low_ns=first_low,
        first_high_ns=first_high,
        speedup=step.speedup.value if step and step.speedup else None,
        break_even=steps if isinstance(steps, int | str) else None,
        peak_bytes=peak,
        flags=tuple(flag.name for flag in step.flags) if step else (),
        verdict=step.verdict if step else None,
        is_best=is_best,
        is_tied=is_tied,
    )


def _ends(estimate: Estimate | None) -> tuple[float | None, float | None]:
    interval = estimate.interval if estimate else None
    return (interval.low, interval.high) if interval else (None, None)
