"""Cold start: from the start of a process to its first answer, of each path at the smallest batch of its work.

On the page cache as it is, by every timed replicate; on an emptied one by a replicate of its own (`--measure cold`).
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Cell, Phases, Record, Timing
from harness.format import Value, significant, whole
from harness.report.tables.column import BATCH, CELL, VARIANT, Column, extent_span, interval_hint, narrow_interval
from harness.report.tables.compile import is_warm, repeats_of, without_result
from harness.report.tables.inference import InferenceRow
from harness.report.tables.path import PATH_COLUMNS, PathRow
from harness.report.tables.row import by_cell
from harness.report.tables.table import Table, rows_in_words
from harness.stats import estimate
from harness.stats.estimate import Estimate
from harness.validity.results import Run

Life = tuple[Phases, Timing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """The start of one path after the kernel was asked to forget its files; without a number each field is None."""

    import_ns: int | None = None
    load_ns: int | None = None
    first_ns: int | None = None
    read_bytes: int | None = None  # from storage in these
    why: str = ""  # there is no number; empty: there is one

    @property
    def together_ns(self) -> int | None:
        """The three parts; None: there are none."""
        parts = (self.import_ns, self.load_ns, self.first_ns)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


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
    emptied: Emptied


def cold_start_rows(run: Run, rows: Iterable[InferenceRow]) -> tuple[ColdStartRow, ...]:
    """Return a row for each path: `rows` of the table of inference, at the smallest batch of their work."""
    rows, records, cold = list(rows), by_cell(run, "identical"), by_cell(run, "cold")
    least: dict[Cell, int] = {}
    for row in rows:
        key = replace(row.cell, batch=0)
        least[key] = min(row.cell.batch, least.get(key, row.cell.batch))
    return tuple(
        _row(row, records[row.cell], cold.get(replace(row.cell, track="cold"), ()))
        for row in rows
        if row.cell.batch == least[replace(row.cell, batch=0)]
    )


def _row(row: InferenceRow, records: Sequence[Record], cold: Sequence[Record]) -> ColdStartRow:
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
        emptied=_emptied(cold),
    )


def _emptied(records: Sequence[Record]) -> Emptied:
    """Return the start of the last replicate on an emptied page cache, or why it has no number."""
    if not records:
        return Emptied(why="it was not asked for (--measure time,cold)")
    record = records[-1]
    if record.status != "ok" or record.cold is None or record.phases is None:
        return Emptied(why=f"{record.status}: {record.reason}")
    read = record.cold.read_bytes
    if not read:
        return Emptied(
            why="the kernel does not count what a process reads from storage"
            if read is None
            else "nothing was read from storage: the files stayed in memory",
        )
    return Emptied(
        import_ns=record.phases.import_ns + record.phases.device_ns,
        load_ns=record.cold.load_ns,
        first_ns=record.cold.first_step_ns,
        read_bytes=read,
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


def _emptied_part(name: str, heading: str, *, is_wide: bool, explanation: str) -> Column[ColdStartRow]:
    def get(row: ColdStartRow) -> Value:
        ns = getattr(row.emptied, name)
        return None if ns is None else ns / 1e6

    return Column(
        key=f"emptied_{name.replace('_ns', '_ms')}",
        heading=heading,
        unit="ms",
        where="wide" if is_wide else "all",
        format=significant,
        get=get,
        explanation=explanation,
    )


def _mib(value: Value) -> str:
    return significant(value / (1 << 20)) if isinstance(value, int | float) else ""


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
    _emptied_part("import_ns", "import, emptied", is_wide=True, explanation="As import, after the kernel was asked to"
                  " forget the files of the environment and the model: one process, which runs alone."),
    _emptied_part("load_ns", "load, emptied", is_wide=True, explanation="As load, of the same process."),
    _emptied_part("first_ns", "first, emptied", is_wide=True, explanation="As first answer, of the same process."),
    _emptied_part("together_ns", "emptied", is_wide=False, explanation="Import, load and first answer on an emptied"
                  " page cache. The start of the process, which loads Python and NumPy, is not in it."),
    Column(key="emptied_read_bytes", type="integer", heading="read", unit="MiB", format=_mib,
           get=attrgetter("emptied.read_bytes"),
           explanation="What that process read from storage meanwhile: the proof that the files were not in memory."),
    Column(key="emptied_missing", type="string", get=attrgetter("emptied.why")),
    VARIANT,
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
        remarks=tuple(_remarks(rows)),
    )


def _remarks(rows: Sequence[ColdStartRow]) -> Iterable[str]:
    if not rows:
        return
    yield "In the first five parts the files of an engine may be in the machine's memory already."
    reasons = dict.fromkeys(row.emptied.why for row in rows if row.emptied.why)
    for reason in reasons:
        count = sum(row.emptied.why == reason for row in rows)
        yield f"No start on an emptied page cache in {rows_in_words(count)}: {reason}."
