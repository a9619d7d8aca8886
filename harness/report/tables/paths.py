"""The matrix of paths: engines by the framework that exported, each field with what works, how exact and how fast."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Cell
from bench.reference.precision import FLOAT32
from harness.format import duration, scientific
from harness.report.tables.inference import InferenceRow
from harness.report.tables.not_offered import NOT_OFFERED, NotOffered

MOST_WORKS: Final = 4  # whose calls a field names
MOST_REASONS: Final = 3  # of one path
OWN_ROW: Final = "own forward pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One mode of one engine on the models of one exporter, over all works and batches."""

    name: str  # the format, with the mode where an engine has several for it
    good: int  # cells with a time
    cells: int  # all of them; 0: no mode offers it
    deviation: float | None  # the largest of the good cells
    calls: tuple[str, ...]  # at the smallest batch of each work: "mlp S 43 µs"
    reasons: tuple[str, ...]  # of cells without a time, with their status, each once

    @property
    def works(self) -> str:
        """How many of its cells have a time."""
        return f"{self.good} of {self.cells}" if self.cells else "skipped"

    @property
    def parity(self) -> str:
        """The largest deviation as text; empty: none is known."""
        return scientific(self.deviation) if self.deviation is not None else ""

    @property
    def is_hole(self) -> bool:
        """Whether none of its cells has a time."""
        return not self.good


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """One engine; the first row has the frameworks' own forward passes."""

    engine: str
    fields: tuple[tuple[Path, ...], ...]  # for each exporter; empty: there is no such path


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The whole matrix."""

    exporters: tuple[str, ...]
    rows: tuple[PathRow, ...]
    says: tuple[str, ...]  # sentences that a reader needs

    @property
    def failing(self) -> list[tuple[str, str]]:
        """Each reason that cells of a path have no time, with the name of the path."""
        return [
            (f"{exporter} → {row.engine} {path.name}".rstrip(), reason)
            for row in self.rows
            for exporter, field in zip(self.exporters, row.fields, strict=True)
            for path in field
            for reason in path.reasons
        ]


def paths(rows: Sequence[InferenceRow], not_offered: Iterable[NotOffered] = NOT_OFFERED) -> Paths | None:
    """Return the matrix of the rows of the table of inference; None without rows.

    Of `not_offered` it has those whose exporter or engine is in these rows, as skipped.
    """
    if not rows:
        return None
    exporters = dict.fromkeys(map(_exporter, rows))
    fields: dict[str, dict[str, dict[tuple[str, ...], list[InferenceRow]]]] = {}
    if any(row.is_own for row in rows):
        fields[OWN_ROW] = {}
    for row in rows:
        engine = OWN_ROW if row.is_own else row.title
        modes = fields.setdefault(engine, {}).setdefault(_exporter(row), {})
        modes.setdefault(("",) if row.is_own else (row.format, row.cell.mode), []).append(row)
    skipped = [each for each in not_offered if each.exporter in exporters or each.engine in fields]
    exporters |= dict.fromkeys(each.exporter for each in skipped)
    engines = dict.fromkeys([*fields, *(each.engine for each in skipped)])

    def field(engine: str, exporter: str) -> tuple[Path, ...]:
        absent = [each for each in skipped if (each.engine, each.exporter) == (engine, exporter)]
        return (*_field(fields.get(engine, {}).get(exporter, {})), *map(_skipped, absent))

    return Paths(
        exporters=tuple(exporters),
        rows=tuple(
            PathRow(engine=engine, fields=tuple(field(engine, exporter) for exporter in exporters))
            for engine in engines
        ),
        says=tuple(_sentences(rows)),
    )


def work_name(cell: Cell) -> str:
    """Return the work of `cell` without its batch, in words: "mlp S", with a precision other than float32."""
    parts = (cell.workload, cell.size, "" if cell.precision == FLOAT32 else cell.precision)
    return " ".join(filter(None, parts))


def _exporter(row: InferenceRow) -> str:
    return row.title if row.is_own else row.source


def _field(modes: dict[tuple[str, ...], list[InferenceRow]]) -> tuple[Path, ...]:
    several = {key[0] for key in modes if sum(other[0] == key[0] for other in modes) > 1}
    return tuple(_path(f"{key[0]} {key[1]}" if key[0] in several else key[0], rows) for key, rows in modes.items())


def _path(name: str, rows: Sequence[InferenceRow]) -> Path:
    good = [row for row in rows if row.status == "ok" and row.call_ns is not None]
    deviations = [row.deviation for row in good if row.deviation is not None]
    reasons = dict.fromkeys(f"{row.status}: {row.reason}" for row in rows if row.status != "ok")
    calls = list(_calls(good))
    more = (f"{len(calls) - MOST_WORKS} more",) if len(calls) > MOST_WORKS else ()
    return Path(
        name=name,
        good=len(good),
        cells=len(rows),
        deviation=max(deviations, default=None),
        calls=(*calls[:MOST_WORKS], *more),
        reasons=tuple(reasons)[:MOST_REASONS],
    )


def _skipped(path: NotOffered) -> Path:
    return Path(name=path.format, good=0, cells=0, deviation=None, calls=(), reasons=(f"skipped: {path.reason}",))


def _calls(rows: Iterable[InferenceRow]) -> Iterable[str]:
    """Yield the shortest call of each work at its smallest batch, of own forward passes with the mode that has it."""
    shortest: dict[str, InferenceRow] = {}
    for row in rows:
        work = work_name(row.cell)
        if work not in shortest or _order(row) < _order(shortest[work]):
            shortest[work] = row
    for work, row in shortest.items():
        if row.call_ns is not None:
            yield f"{work} {duration(row.call_ns.value)}" + (f" ({row.cell.mode})" if row.is_own else "")


def _order(row: InferenceRow) -> tuple[int, float]:
    return row.cell.batch, row.call_ns.value if row.call_ns else 0.0


def _sentences(rows: Sequence[InferenceRow]) -> Iterable[str]:
    timed = [row for row in rows if row.call_ns is not None]
    if not timed:
        return
    least: dict[str, int] = {}
    for row in timed:
        least[work_name(row.cell)] = min(row.cell.batch, least.get(work_name(row.cell), row.cell.batch))
    batches = set(least.values())
    batch = f"batch {batches.pop()}" if len(batches) == 1 else "the smallest batch of its work"
    fewest = min(row.replicates for row in timed)
    processes = "process" if fewest == 1 else "processes"
    yield (
        f"A field has how many cells have a time, their largest deviation from float64, and the call at {batch}, from"
        f" {fewest} {processes} or more: what was measured, not what is told apart."
    )
    if any(row.is_own for row in rows):
        yield "Of a framework's own forward pass it is the shortest call of its modes, which is named."
