"""CSV: one file per table; scripts rely on its columns. Values are in the unit of the column's name."""

import csv
import io
from collections.abc import Mapping

from harness.format import Value
from harness.report.tables.all import Tables
from harness.report.tables.table import R, Table
from harness.validity.results import Run


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return one file per table."""
    return {f"csv/{table.name}.csv": to_csv(table) for table in tables}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return one table: the named one, otherwise that of the steps. Raises KeyError for an unknown name."""
    return to_csv(tables.named(table or "steps"))


def to_csv(table: Table[R]) -> str:
    """Return the table as CSV, with a header; a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    columns = [column for column in table.columns if column.key]
    writer.writerows([_field(column.get(row)) for column in columns] for row in table.rows)
    return text.getvalue()


def _field(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
