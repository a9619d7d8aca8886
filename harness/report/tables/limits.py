"""Records of a run → the rows of what the machine gave at most, and the columns that show them."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import LimitKind
from harness.format import Value, significant, size_words, whole
from harness.report.tables.column import Column
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table
from harness.validity.results import Run
from harness.validity.roofline import Best, MachineLimits

WORDS: Final[dict[LimitKind, str]] = {
    "matmul": "matrix product",
    "convolution": "convolution 3 × 3",
    "triad": "a += s·b",
    "launch": "launch",
    "replay": "graph replay",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow(Row):
    """The best round of one probe of one library."""

    library: str
    best: Best | None  # None: its turns failed


def limit_rows(run: Run) -> tuple[LimitRow, ...]:
    """Return a row for each probe of each library that the run has measured."""
    rows = []
    limits = MachineLimits(run.records, run.facts.frameworks)
    for cell, records in by_cell(run, "limits").items():
        library = limits.library.get(cell.framework, "")
        begins = head(run, cell, records) | {"title": run.title(library)}
        found: list[Best | None] = [one for one in limits.best if one.library == library]
        rows += [LimitRow(**begins, library=library, best=best) for best in found or [None]]
    return tuple(rows)


def _of(name: str) -> Callable[[LimitRow], Value]:
    return lambda row: getattr(row.best, name) if row.best else None


def _rate(*kinds: LimitKind) -> Callable[[LimitRow], Value]:
    return lambda row: row.best.per_ns if row.best and row.best.kind in kinds else None


def _launch_us(row: LimitRow) -> Value:
    return 1e-3 / row.best.per_ns if row.best and row.best.kind in ("launch", "replay") else None


def _what(row: LimitRow) -> Value:
    return WORDS[row.best.kind] if row.best else None


def _shown_size(row: LimitRow) -> Value:
    if row.best is None or row.best.kind in ("launch", "replay"):
        return ""
    size = row.best.size
    return {"matmul": f"{size} × {size}", "convolution": f"{size} channels"}.get(row.best.kind, size_words(size))


LIMIT_COLUMNS: Final[tuple[Column[LimitRow], ...]] = (
    Column(key="library", get=attrgetter("library")),
    Column(heading="library", kind="name", get=attrgetter("title")),
    Column(key="kind", get=_of("kind")),
    Column(heading="what", kind="name", get=_what),
    Column(key="precision", heading="precision", kind="name", get=_of("precision")),
    Column(key="size", get=_of("size")),
    Column(heading="size", kind="name", get=_shown_size),
    Column(key="status", get=attrgetter("status")),
    Column(key="reason", get=attrgetter("reason")),
    Column(key="gflop_per_s", heading="Gflop", unit="per s", format=significant, get=_rate("matmul", "convolution")),
    Column(key="gbyte_per_s", heading="GB", unit="per s", format=significant, get=_rate("triad")),
    Column(key="launch_us", heading="launch", unit="µs", format=significant, get=_launch_us),
    Column(key="rounds", heading="best of", unit="rounds", format=whole, get=_of("rounds")),
)


def table(found: tuple[LimitRow, ...]) -> Table[LimitRow]:
    """Return the table of the machine's limits."""
    return Table(
        name="limits",
        title="Limits",
        about="What each library got out of this machine at most, by its own calls: the best round of the run. A cell"
        " above a limit is invalid.",
        columns=LIMIT_COLUMNS,
        rows=found,
        is_printed=False,
        is_hole=lambda row: row.best is None,
    )
