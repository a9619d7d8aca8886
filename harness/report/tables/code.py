"""Code: the hello world of each framework, its length, its time and its result."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Cell, Idiomatic, Record
from harness.format import Value, parameter, significant, whole
from harness.report.tables.column import FRAMEWORK, TITLE, VARIANT, Column
from harness.report.tables.row import Row, by_cell, worst_status
from harness.report.tables.table import Table
from harness.validity.results import Run

# What a well-known talk claims for this regression, in lines of code; the report shows its own counts next to it.
CLAIMED_LINES: Final[Mapping[str, int]] = {"tensorflow": 8, "keras_tensorflow": 4, "torch": 10, "fastai": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow(Row):
    """The hello world of one framework: lines, and time and result from a cold start; medians over the blocks."""

    lines: int | None
    claimed_lines: int | None
    total_ns: float | None
    weight: float | None
    bias: float | None
    within_tolerance: bool | None  # in every block


def code_rows(run: Run) -> tuple[CodeRow, ...]:
    """Return a row for each framework with a hello world; none when none ran and every workload has several sizes.

    A framework of which variants ran has a row for each of them.
    """
    measured = {cell.framework_id: records for cell, records in by_cell(run, "idiomatic").items()}
    workloads = run.facts.workloads
    if not measured and workloads and all(workload.is_ladder for workload in workloads):
        return ()
    lines = {facts.name: facts.hello_lines for facts in run.facts.frameworks if facts.hello}
    ran = {framework: [name for name in measured if plain(name) == framework] for framework in lines}
    names = [*(name for framework, of in ran.items() for name in of or [framework])]
    names += [name for name in measured if plain(name) not in lines]
    return tuple(_code_row(run, name, lines.get(plain(name)), measured.get(name, ())) for name in names)


def plain(framework_id: str) -> str:
    """Return the framework of "jax@0.9.2", or of one without a variant."""
    return framework_id.partition("@")[0]


def _code_row(run: Run, framework: str, lines: int | None, records: Sequence[Record]) -> CodeRow:
    status, reason = worst_status(records) if records else ("ok", "")
    measured: list[Idiomatic] = [record.idiomatic for record in records if record.idiomatic is not None]
    cell = records[0].cell if records else _hello_cell(framework)
    return CodeRow(
        cell=cell,
        title=run.title(framework),
        status=status,
        reason=reason,
        lines=measured[0].lines if measured else lines,
        claimed_lines=CLAIMED_LINES.get(plain(framework)),
        total_ns=statistics.median(program.total_ns for program in measured) if measured else None,
        weight=statistics.median(program.weight for program in measured) if measured else None,
        bias=statistics.median(program.bias for program in measured) if measured else None,
        within_tolerance=all(program.within_tolerance for program in measured) if measured else None,
    )


def _hello_cell(framework: str) -> Cell:
    """Return a cell for a hello world that was not run; the table shows only its framework."""
    return Cell(
        framework=framework,
        mode="hello",
        workload="",
        optimizer="",
        size="",
        precision="",
        device="",
        allocator="",
        track="idiomatic",
    )


def _total_seconds(row: CodeRow) -> Value:
    return row.total_ns / 1e9 if row.total_ns is not None else None


CODE_COLUMNS: Final[tuple[Column[CodeRow], ...]] = (
    FRAMEWORK,
    TITLE,
    Column(key="lines", type="integer", heading="lines", unit="of code", format=whole, get=attrgetter("lines")),
    Column(heading="claimed", unit="in a talk", format=whole, get=attrgetter("claimed_lines")),
    Column(key="total_seconds", heading="total", unit="s", format=significant, get=_total_seconds),
    Column(key="weight", heading="weight", format=parameter, get=attrgetter("weight")),
    Column(key="bias", heading="bias", format=parameter, get=attrgetter("bias")),
    Column(key="within_tolerance", type="boolean", heading="within", unit="±0.05", get=attrgetter("within_tolerance")),
    VARIANT,
)


def table(rows: tuple[CodeRow, ...]) -> Table[CodeRow]:
    """Return the table of the hello worlds."""
    return Table(
        name="code",
        title="Code",
        about="The hello world in the style of each framework's own documentation, timed from a cold start to its end.",
        columns=CODE_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.total_ns is None and row.status != "ok",
    )
