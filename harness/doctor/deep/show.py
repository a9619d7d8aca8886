"""What a deep check prints: tables that fit 80 columns, and reasons with their remedies on a line each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from bench.records.record import Cell, Record
from harness.doctor import printing
from harness.doctor.deep.cells import name
from harness.doctor.deep.readings import CallCost
from harness.doctor.deep.trial import Tried, result_of
from harness.format import NONE

if TYPE_CHECKING:
    from rich.console import Console

YES: Final = {True: "on", False: "off", None: NONE}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of what a cell's framework said when it was asked; left out where no cell has anything."""

    heading: str
    get: Callable[[Record], str]


READ_BACK: Final[Sequence[Column]] = (
    Column("device", lambda record: record.proof.device if record.proof else ""),
    Column("TF32", lambda record: YES[record.proof.tf32] if record.proof and record.cell.device == "cuda" else ""),
    Column("graphs", lambda record: _count(record.proof.cuda_graphs) if record.proof else ""),
    Column("allocator", lambda record: record.proof.allocator if record.proof else ""),
    Column("threads", lambda record: _count(record.proof.threads) if record.proof else ""),
)


def cells(console: "Console", records: Mapping[Cell, Record]) -> None:
    """Print a table of the cells that were tried."""
    columns = [column for column in READ_BACK if any(map(column.get, records.values()))]
    table = printing.table("cell", "result", "s", *(column.heading for column in columns))
    table.columns[2].justify = "right"
    for cell, record in records.items():
        read = [escape(column.get(record)) for column in columns]
        table.add_row(escape(name(cell)), printing.coloured(result_of(record)), f"{record.wall_ns / 1e9:.1f}", *read)
    console.print(table)


def calls(console: "Console", costs: Sequence[CallCost]) -> None:
    """Print a table of what each call to NVML costs."""
    table = printing.table("call to NVML", "ms", "longest", "answer")
    for column in table.columns[1:3]:
        column.justify = "right"
    for cost in costs:
        times = (f"{ns / 1e6:.3f}" for ns in (cost.median_ns, cost.longest_ns))
        table.add_row(cost.function, *times, escape(cost.error or "ok"))
    console.print(table)


def reasons(tried: Tried, remedies: Mapping[str, str]) -> None:
    """Print, on a line each, why a cell does not work or was skipped, and the remedy."""
    for cell, record in tried.records.items():
        if record.status == "ok":
            continue
        remedy = remedies.get(cell.id, "")
        ending = f". Remedy: {remedy}" if remedy else ""
        print(f"{name(cell)} {result_of(record)}: {record.reason.rstrip('.')}{ending}")


def untried(tried: Tried, again: Callable[[str, Sequence[str]], str]) -> None:
    """Print what was not tried, by framework and reason, with the command that tries it."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell, why in tried.untried.items():
        groups.setdefault((cell.framework, why), []).append(cell)
    for (framework, why), left in groups.items():
        names = ", ".join(name(cell).partition(" ")[2] or cell.mode for cell in left)
        modes = list(dict.fromkeys(cell.mode for cell in left))
        print(f"not tried, {why}: {framework} {names}: {again(framework, modes)}")


def _count(number: int | None) -> str:
    return "" if number is None else str(number)
