"""Hosts: of a collected run, the time of each cell on each host, and how far the hosts differ."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from harness.format import percent, significant, times, whole
from harness.report.tables.column import BATCH, CELL, FRAMEWORK_AND_MODE, VARIANT, Column
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table
from harness.validity import hosts
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow(Row):
    """One cell on one host."""

    host: str  # its type and a number
    blocks: int  # with a good replicate there
    step_ns: float
    to_fastest: float  # its time ÷ that of the host with the least
    spread: float | None  # the slowest host's ÷ the fastest's, less 1; None: no other host has the cell


def host_rows(run: Run) -> tuple[HostRow, ...]:
    """Return a row for each cell and host of a run that was collected from several."""
    if not run.facts.hosts:
        return ()
    known = hosts.levels(run)
    rows = []
    for cell, records in by_cell(run, "identical").items():
        of_cell = known.get(cell, {})
        fastest = min((ns for ns, _ in of_cell.values()), default=0.0)
        rows += [
            HostRow(
                **head(run, cell, records),
                host=host,
                blocks=blocks,
                step_ns=ns,
                to_fastest=ns / fastest,
                spread=hosts.spread(of_cell),
            )
            for host, (ns, blocks) in of_cell.items()
        ]
    return tuple(rows)


def remarks(rows: Iterable[HostRow]) -> tuple[str, ...]:
    """Return what the spread means for the figures of the other tables."""
    rows = tuple(rows)
    spreads = [row.spread for row in rows if row.spread is not None]
    if not rows:
        return ()
    if not spreads:
        return ("No cell was measured on two hosts: how far hosts of this type differ is not known.",)
    return (
        f"Between-host spread: hosts of one type differ by up to {percent(max(spreads))} on the same cell. Ratios are"
        " made within a host; a step's time and interval in the other tables are over all hosts.",
    )


def _value(name: str) -> Callable[[HostRow], float]:
    return lambda row: getattr(row, name)


HOST_COLUMNS: Final[tuple[Column[HostRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(key="host", type="string", heading="host", kind="name", get=lambda row: row.host),
    Column(key="blocks", type="integer", heading="n", format=whole, get=lambda row: row.blocks),
    Column(key="step_us", heading="step", unit="µs", format=significant, get=lambda row: row.step_ns / 1e3),
    Column(
        key="to_fastest",
        heading="to fastest",
        format=times,
        get=_value("to_fastest"),
        explanation="Its time ÷ that of the host on which the cell is fastest.",
    ),
    Column(key="host_spread", heading="spread", format=percent, where="wide", get=lambda row: row.spread),
    BATCH,
    VARIANT,
)


def table(rows: tuple[HostRow, ...]) -> Table[HostRow]:
    """Return the table of hosts."""
    return Table(
        name="hosts",
        title="Hosts",
        about="Of a run that was collected from several hosts of one type: the time of each cell on each of them, the"
        " geometric mean of its replicates there.",
        columns=HOST_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: False,
        remarks=remarks(rows),
    )
