"""The values of a table with their types, for the formats that programs read: JSON and Parquet.

The keys are those of the CSV. Empty is None: a field without a value and an empty text, as the CSV's empty field.
The unit of a value stands in its key; `unit` reads it from there.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Final

from harness.format import Value
from harness.report.tables.column import Column
from harness.report.tables.row import Row
from harness.report.tables.table import R, Table

Typed = Value | list[str]

UNITS: Final[Mapping[str, str]] = {  # by the end of a key, the longest first
    "gflop_per_s": "Gflop/s",
    "gbyte_per_s": "GB/s",
    "samples_per_s": "samples/s",
    "steps_per_s": "steps/s",
    "bytes_per_step": "bytes/step",
    "bytes": "bytes",
    "seconds": "s",
    "steps": "steps",
    "uj": "µJ",
    "us": "µs",
    "ms": "ms",
    "ns": "ns",
    "s": "s",
    "j": "J",
    "w": "W",
}
BREAK_EVEN_END: Final = re.compile(r"break_even_\w+_(?:low|high)")  # the ends of an interval of steps


def keyed(table: Table[R]) -> list[Column[R]]:
    """Return the columns of the CSV, in its order."""
    return [column for column in table.columns if column.key]


def typed(column: Column[R], row: R) -> Typed:
    """Return the value of `column` in `row` with the type that the column states; None: there is none."""
    value = column.get(row)
    if column.type == "strings":
        return str(value or "").split()
    if value is None or value == "":
        return None
    return float(value) if column.type == "number" and not isinstance(value, str) else value


def reasons(rows: Sequence[Row]) -> list[dict[str, Value]]:
    """Return status and reason of each row that is not "ok", with the row's number from 0."""
    return [
        {"row": at, "status": row.status, "reason": row.reason or None}
        for at, row in enumerate(rows)
        if row.status != "ok"
    ]


def unit(key: str) -> str:
    """Return the unit of a value, read from its key; empty: a text, a number of things, or a ratio."""
    if BREAK_EVEN_END.fullmatch(key):
        return "steps"
    return next((unit for end, unit in UNITS.items() if key == end or key.endswith(f"_{end}")), "")


def version() -> str:
    """Return the version of samestep that makes the file; empty: it runs without being installed."""
    try:
        return metadata.version("samestep")
    except metadata.PackageNotFoundError:
        return ""
