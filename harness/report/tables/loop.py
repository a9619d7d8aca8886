"""Loop: what the products of a loop cost, and where a debugger stops in it; of a `loop.json` in the run's folder.

It belongs to no cell of the run, so it is on its page alone, and not among the run's tables.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Cell
from harness.format import Value, percent, significant, times
from harness.report.tables.column import Column
from harness.report.tables.row import Row
from harness.report.tables.table import Table
from harness.report.words import count
from harness.store.loops import FULL, NAME, LoopRecord, Loops

ABOUT: Final = (
    "Five times x ← x · 2 from x = 3, with every product wanted: 6, 12, 24, 48, 96. Tried was whether a debugger with a"
    " breakpoint at the line that multiplies stops at each step, once in the trace, or never. Timed was one call that"
    " returns each product, beside one that returns the last alone; the loops of more steps have another factor."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRow(Row):
    """One program: a loop in one framework and form."""

    era: int | None
    version: str | None
    every_lines: int
    last_lines: int
    stops: str | None
    costs: Mapping[int, LoopRecord]  # by the number of steps; none without numbers


def rows(found: Loops) -> tuple[LoopRow, ...]:
    """Return a row for each program, in the order of the file."""
    programs: dict[tuple[str, str], list[LoopRecord]] = {}
    for record in found.rows:
        programs.setdefault((record.framework, record.form), []).append(record)
    return tuple(map(_row, programs.values()))


def _row(records: Sequence[LoopRecord]) -> LoopRow:
    first = records[0]
    framework, form = first.framework, first.form
    cell = Cell(
        framework=framework, mode=form, workload="", optimizer="", size="", precision="", device="", allocator=""
    )
    return LoopRow(
        cell=cell,
        title=first.title or first.framework,
        status=first.status,
        reason=first.reason or "",
        era=first.era,
        version=first.version,
        every_lines=first.every_lines,
        last_lines=first.last_lines,
        stops=first.breakpoint,
        costs={record.steps: record for record in records if record.steps is not None},
    )


def table(found: Loops) -> Table[LoopRow]:
    """Return the table, with columns for each number of steps."""
    shown = rows(found)
    steps = sorted({number for row in shown for number in row.costs})
    return Table(
        name=NAME,
        title="A loop that is looked into",
        about=ABOUT,
        columns=(
            *NAMES,
            *(column for number in steps for column in _columns(number, first=number == steps[0])),
            VERSION,
        ),
        rows=shown,
        is_optional=True,
        is_hole=lambda row: row.status != "ok",
        remarks=tuple(_remarks(found, shown)),
    )


NAMES: Final[tuple[Column[LoopRow], ...]] = (
    Column(heading="year", kind="name", get=attrgetter("era")),
    Column(heading="framework", kind="name", get=attrgetter("title")),
    Column(heading="form", kind="name", get=attrgetter("cell.mode")),
    Column(
        heading="breakpoint",
        unit="stops",
        get=attrgetter("stops"),
        explanation="Of a debugger, in a process of its own. In a trace the body has symbols for numbers; never: the"
        " compiler reads source or bytecode, or a copy of the source runs.",
    ),
    Column(heading="lines", unit="each product", get=attrgetter("every_lines")),
    Column(heading="lines", unit="the last", get=attrgetter("last_lines")),
)


VERSION: Final[Column[LoopRow]] = Column(heading="version", get=attrgetter("version"))


def _columns(steps: int, *, first: bool) -> Iterator[Column[LoopRow]]:
    def of(name: str, size: float = 1.0) -> Callable[[LoopRow], Value]:
        def get(row: LoopRow) -> Value:
            value = getattr(row.costs.get(steps), name, None)
            return None if value is None else value / size

        return get

    def hint(row: LoopRow) -> str:
        cost = row.costs.get(steps)
        if cost is None or cost.every_vs_last_low is None or cost.every_vs_last_high is None:
            return ""
        low, high = significant(cost.every_vs_last_low), significant(cost.every_vs_last_high)
        return f"middle half of neighbouring rounds {low} to {high}"

    yield Column(heading=f"{steps} steps", unit="µs", format=significant, get=of("every_ns", 1e3))
    yield Column(
        heading="÷ last alone",
        unit=f"{steps} steps",
        format=times,
        get=of("every_vs_last"),
        hint=hint,
        explanation="The call that returns each product ÷ the one that returns the last: median of neighbouring rounds"
        " of one process."
        if first
        else "",
    )


def _remarks(found: Loops, shown: Sequence[LoopRow]) -> Iterator[str]:
    stops = Counter(row.stops for row in shown if row.stops)
    if stops:
        parts = [f"{words} in {number}" for words, number in stops.most_common()]
        yield f"Where a breakpoint in the loop stops, of {count(sum(stops.values()), 'program')}: {'; '.join(parts)}."
    least = {f"{row.title} {row.cell.mode}": share for row in shown if (share := _least_share(row)) < FULL}
    if least:
        disturbed = ", ".join(f"{name} ({percent(share)})" for name, share in least.items())
        yield f"Other work ran, or it waited: rounds got less than {percent(FULL)} of a processor in {disturbed}."
    commit = f", by samestep of commit {found.commit[:10]}{' with changes' if found.dirty else ''}"
    yield f"On {found.cpu}, one thread, one process each{commit if found.commit else ''}: no verdict follows from it."


def _least_share(row: LoopRow) -> float:
    return min((cost.cpu_share for cost in row.costs.values() if cost.cpu_share is not None), default=1.0)
