"""The table of the loop: as Markdown for people, as CSV and JSON with a row for each number of steps."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass

from bench.records.record import Status
from harness import format
from harness.loops.programs import Program
from harness.loops.truth import LOOPS, Cost, Stops
from harness.store.loops import FULL, LoopRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One program, and what was found of it."""

    program: Program
    title: str  # of the framework
    era: int
    status: Status  # ok, invalid, failed or skipped
    reason: str = ""  # empty when it is ok
    python: str = ""
    version: str = ""
    costs: tuple[Cost, ...] = ()
    stops: Stops | None = None


def markdown(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table, and those below it."""
    steps = [loop.steps for loop in LOOPS]
    heads = [f"{count} steps, µs | with each ÷ last" for count in steps]
    lines = [
        f"| year | framework | version | form | lines: each, last | breakpoint stops | {' | '.join(heads)} |",
        "|---|---|---|---|---|---|" + "---|---|" * len(steps),
    ]
    for row in rows:
        costs = {cost.steps: cost for cost in row.costs}
        cells = " | ".join(_cost(costs.get(count)) for count in steps)
        name = f"{row.era or format.NONE} | {row.title} | {row.version or format.NONE} | {row.program.form}"
        code = f"{row.program.every_lines}, {row.program.last_lines}"
        stops = row.stops.words if row.stops else format.NONE
        lines.append(f"| {name} | {code} | {stops} | {cells} |")
    notes = [f"{row.title} {row.program.form}: {row.status}: {row.reason}" for row in rows if row.status != "ok"]
    notes += [note for row in rows if (note := _disturbed(row))]
    return [*lines, *([""] if notes else []), *notes]


def _disturbed(row: Row) -> str:
    """Return that other work ran, or a call waited; empty: the rounds had a processor."""
    shares = [f"{format.percent(cost.cpu_share)} at {cost.steps} steps" for cost in row.costs if cost.cpu_share < FULL]
    told = f"{row.title} {row.program.form}: other work ran, or it waited: its rounds got {format.listed(shares)}"
    return f"{told} of a processor" if shares else ""


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return f"{format.NONE} | {format.NONE}"
    return f"{format.significant(cost.every_ns / 1e3)} | {cost.ratio:.2f} ({cost.low:.2f} to {cost.high:.2f})"


def records(rows: Sequence[Row]) -> list[LoopRecord]:
    """Return a record for each program and number of steps; one that has none has empty numbers and a reason."""
    return [_record(row, cost) for row in rows for cost in row.costs or (None,)]


def _record(row: Row, cost: Cost | None) -> LoopRecord:
    stops = row.stops
    return LoopRecord(
        framework=row.program.framework,
        form=row.program.form,
        era=row.era or None,
        version=row.version or None,
        python=row.python or None,
        steps=cost.steps if cost else None,
        every_ns=cost.every_ns if cost else None,
        last_ns=cost.last_ns if cost else None,
        every_vs_last=cost.ratio if cost else None,
        every_vs_last_low=cost.low if cost else None,
        every_vs_last_high=cost.high if cost else None,
        cpu_share=cost.cpu_share if cost else None,
        every_first_ns=cost.every_first_ns if cost else None,
        last_first_ns=cost.last_first_ns if cost else None,
        every_lines=row.program.every_lines,
        last_lines=row.program.last_lines,
        breakpoint=stops.words if stops else None,
        stops_in_first_call=stops.first if stops else None,
        stops_in_later_call=stops.later if stops else None,
        steps_of_stops=stops.steps if stops else None,
        status=row.status,
        reason=row.reason or None,
        title=row.title,
    )


def as_csv(rows: Sequence[Row]) -> str:
    """Return the records as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(LoopRecord)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(dataclasses.asdict, records(rows)))
    return text.getvalue()
