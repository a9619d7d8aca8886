"""Limits: the best rates and the shortest launches that each library reached on this machine."""

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
    """The best round of one probe of one library; a probe is a kind, a precision and a size."""

    library: str
    best: Best | None  # None: no measurement succeeded


def limit_rows(run: Run) -> tuple[LimitRow, ...]:
    """Return a row for each probe of each library in the run."""
    rows: list[LimitRow] = []
    limits = MachineLimits(run.records, run.facts.frameworks)
    for cell, records in by_cell(run, "limits").items():
        library = limits.library.get(cell.framework, "")
        if any(row.library == library and row.best for row in rows):  # variants of a framework probe one library
            continue
        shared = head(run, cell, records) | {"title": run.title(library)}
        bests: list[Best | None] = [best for best in limits.best if best.library == library]
        rows += [LimitRow(**shared, library=library, best=best) for best in bests or [None]]
    return tuple(rows)


def _of_best(name: str) -> Callable[[LimitRow], Value]:
    return lambda row: getattr(row.best, name) if row.best else None


def _rate(*kinds: LimitKind) -> Callable[[LimitRow], Value]:
    return lambda row: row.best.per_ns if row.best and row.best.kind in kinds else None


def _launch_us(row: LimitRow) -> Value:
    return 1e-3 / row.best.per_ns if row.best and row.best.kind in ("launch", "replay") else None


def _operation(row: LimitRow) -> Value:
    return WORDS[row.best.kind] if row.best else None


def _shown_size(row: LimitRow) -> Value:
    if row.best is None or row.best.kind in ("launch", "replay"):
        return ""
    size = row.best.size
    return {"matmul": f"{size} × {size}", "convolution": f"{size} channels"}.get(row.best.kind, size_words(size))


LIMIT_COLUMNS: Final[tuple[Column[LimitRow], ...]] = (
    Column(key="library", type="string", get=attrgetter("library")),
    Column(heading="library", kind="name", get=attrgetter("title")),
    Column(key="kind", type="string", get=_of_best("kind")),
    Column(heading="operation", kind="name", get=_operation),
    Column(key="precision", type="string", heading="precision", kind="name", get=_of_best("precision")),
    Column(key="size", type="integer", get=_of_best("size")),
    Column(heading="size", kind="name", get=_shown_size),
    Column(key="status", type="string", get=attrgetter("status")),
    Column(key="reason", type="string", get=attrgetter("reason")),
    Column(key="gflop_per_s", heading="Gflop", unit="per s", format=significant, get=_rate("matmul", "convolution")),
    Column(key="gbyte_per_s", heading="GB", unit="per s", format=significant, get=_rate("triad")),
    Column(key="launch_us", heading="launch", unit="µs", format=significant, get=_launch_us),
    Column(key="rounds", type="integer", heading="best of", unit="rounds", format=whole, get=_of_best("rounds")),
)


def table(rows: tuple[LimitRow, ...]) -> Table[LimitRow]:
    """Return the table of the machine's limits."""
    return Table(
        name="limits",
        title="Limits",
        about="The best round that each library reached on this machine, by its own calls. A cell above a limit is"
        " invalid.",
        columns=LIMIT_COLUMNS,
        rows=rows,
        is_printed=False,
        is_hole=lambda row: row.best is None,
    )
