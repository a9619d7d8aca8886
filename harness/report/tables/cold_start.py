"""Cold start: from the start of a process to its first answer, of each path at the smallest batch of its work."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Cell, Phases, Record, Timing
from harness.format import Value, significant, whole
from harness.report.tables.column import BATCH, CELL, Column, extent_span, interval_hint, narrow_interval
from harness.report.tables.compile import is_warm, repeats_of, without_result
from harness.report.tables.inference import InferenceRow
from harness.report.tables.path import PATH_COLUMNS, PathRow
from harness.report.tables.row import by_cell
from harness.report.tables.table import Table
from harness.stats import estimate
from harness.stats.estimate import Estimate
from harness.validity.results import Run

Life = tuple[Phases, Timing]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartRow(PathRow):
    """The start of one path. Each part is the median of the good replicates, None where none of them has it."""

    startup_ns: float | None
    import_ns: float | None  # of the engine, and initialising it
    load_ns: float | None
    first_ns: float | None  # the first call
    total_ns: Estimate | None  # of all of these; None: a part is missing
    warm_first_ns: float | None  # the first call of a second process on the caches of the first
    warm_why: str  # why there is none; empty: there is one
    replicates: int  # good ones


def cold_start_rows(run: Run, rows: Iterable[InferenceRow]) -> tuple[ColdStartRow, ...]:
    """Return a row for each path: `rows` of the table of inference, at the smallest batch of their work."""
    rows, records = list(rows), by_cell(run, "identical")
    least: dict[Cell, int] = {}
    for row in rows:
        key = replace(row.cell, batch=0)
        least[key] = min(row.cell.batch, least.get(key, row.cell.batch))
    return tuple(_row(row, records[row.cell]) for row in rows if row.cell.batch == least[replace(row.cell, batch=0)])


def _row(row: InferenceRow, records: Sequence[Record]) -> ColdStartRow:
    good = [record for record in records if record.status == "ok"] if row.status != "invalid" else []
    lives = [(record.phases, record.timing) for record in good if record.phases and record.timing]
    totals = [total for life in lives if (total := _total_ns(life)) is not None]
    warm, why = _warm(good)
    return ColdStartRow(
        cell=row.cell,
        title=row.title,
        status=row.status,
        reason=row.reason,
        source=row.source,
        exporter=row.exporter,
        format=row.format,
        startup_ns=_median(map(_startup, lives)),
        import_ns=_median(map(_import, lives)),
        load_ns=_median(map(_load, lives)),
        first_ns=_median(map(_first, lives)),
        total_ns=estimate.estimate(totals) if totals else None,
        warm_first_ns=warm,
        warm_why=why,
        replicates=len(good),
    )


def _startup(life: Life) -> int:
    return life[0].startup_ns


def _import(life: Life) -> int:
    return life[0].import_ns + life[0].device_ns


def _load(life: Life) -> int | None:
    return life[1].load_ns


def _first(life: Life) -> int:
    return life[1].first_step_ns


def _total_ns(life: Life) -> int | None:
    load = _load(life)
    return None if load is None else _startup(life) + _import(life) + load + _first(life)


def _median(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _warm(records: Iterable[Record]) -> tuple[float | None, str]:
    """Return the first call in ns of second processes that found the caches warm, or why there is none."""
    repeats = [repeat for record in records for repeat in repeats_of(record, "warm")]
    first = _median(repeat.first_step_ns for repeat in repeats if repeat.status == "ok" and is_warm(repeat))
    if first is not None:
        return first, ""
    failed = next((without_result(repeat) for repeat in repeats if repeat.status != "ok"), "")
    return None, failed or ("the second process prepared everything again" if repeats else "no second process")


def _ms(name: str) -> Callable[[ColdStartRow], Value]:
    def get(row: ColdStartRow) -> Value:
        ns = getattr(row, name)
        return None if ns is None else ns / 1e6

    return get


def _part(name: str, heading: str, explanation: str) -> Column[ColdStartRow]:
    return Column(
        key=name.replace("_ns", "_ms"),
        heading=heading,
        unit="ms",
        format=significant,
        get=_ms(name),
        explanation=explanation,
    )


COLD_START_COLUMNS: Final[tuple[Column[ColdStartRow], ...]] = (
    *PATH_COLUMNS,
    *CELL,
    _part("startup_ns", "process", "From the start of the process to the first line of the protocol: Python, NumPy and"
          " pytest, the same for every path."),
    _part("import_ns", "import", "Importing the engine or framework, and initialising it."),
    _part("load_ns", "load", "Reading the model and preparing it for the first call; of a framework's own forward pass,"
          " building the model."),
    _part("first_ns", "first answer", "The first call until its result is there: what is compiled late is in it."),
    Column(
        key="total_ms",
        heading="together",
        unit="ms",
        format=significant,
        get=lambda row: row.total_ns.value / 1e6 if row.total_ns else None,
        instead=lambda row: extent_span(row.total_ns, 1e6),
        interval=lambda row: narrow_interval(row.total_ns, 1e6),
        hint=lambda row: interval_hint(row.total_ns, 1e6, "ms"),
        explanation="The four parts of each replicate, as geometric mean of the replicates.",
    ),
    _part("warm_first_ns", "first, warm", "The first answer of a second process on the caches that the first one left,"
          " where the engine has such caches."),
    Column(key="warm_missing", type="string", get=attrgetter("warm_why")),
    Column(key="replicates", type="integer", heading="replicates", format=whole, where="wide", folds="always",
           get=attrgetter("replicates")),
    BATCH,
)  # fmt: skip


def table(rows: tuple[ColdStartRow, ...]) -> Table[ColdStartRow]:
    """Return the table of cold starts."""
    return Table(
        name="cold_start",
        title="Cold start",
        about="From the start of a fresh process to its first answer, on empty compile caches; parts are medians.",
        columns=COLD_START_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.first_ns is None,
        is_optional=True,
        shows_reasons=False,
        remarks=("The files of an engine may be in the machine's memory already: it is not emptied.",) if rows else (),
    )
