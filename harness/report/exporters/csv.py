"""CSV: one file per table; scripts rely on its columns. Values are in the unit of the column's name.

A text that a spreadsheet would take for a formula gets an apostrophe in front of it: at its beginning, also behind
blanks, quotes and marks that are not seen, and behind a semicolon, which separates the fields of a CSV file where a
comma separates decimals. Numbers have none; JSON and Parquet have every text as it is. Where something has to stand
beside every figure of a run, as with an emulated GPU, each table has one more column for it, the last.
"""

import csv
import io
import re
from collections.abc import Mapping
from typing import Final

from harness.format import Value
from harness.report.tables.all import Tables
from harness.report.tables.table import R, Table
from harness.validity.results import Run

CAVEAT: Final = "caveat"  # name of that column
FORMULA: Final = re.compile(  # what spreadsheets begin a formula with, and what they skip before it
    "(?:^(?=[\t\r\n])|(?:^|(?<=;))(?=[\\s\"'\ufeff\u200b-\u200d\u2060]*[=+\\-@\uff1d\uff0b\uff0d\uff20]))"
)


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return one file per table."""
    return {f"csv/{table.name}.csv": to_csv(table, run.caveat) for table in tables}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return one table: the named one, otherwise that of the steps. Raises KeyError for an unknown name."""
    return to_csv(tables.named(table or "steps"), run.caveat)


def to_csv(table: Table[R], caveat: str = "") -> str:
    """Return the table as CSV, with a header; a missing value is an empty field; `caveat` stands in each row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    last = ((CAVEAT,), (caveat,)) if caveat else ((), ())
    writer.writerow((*table.header, *last[0]))
    columns = [column for column in table.columns if column.key]
    writer.writerows((*(field(column.get(row)) for column in columns), *last[1]) for row in table.rows)
    return text.getvalue()


def field(value: Value) -> str:
    """Return a value as one field: numbers and texts as they are, but no text that is a formula; None: empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return FORMULA.sub("'", value).replace("\r\n", "\n").replace("\r", "\n")  # the writer quotes no CR
    return f"{value:.9g}" if isinstance(value, float) else str(value)
