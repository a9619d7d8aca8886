"""Parquet: one file per table, with typed columns. Apache Arrow's library is imported only when it is made.

The columns are those of the CSV. Two things differ, because a column has one type: a number in whose place a word may
stand ("never", "not told") is null there, and the word is in a further column, `<key>_word`, right behind it; and an
empty text is null. Each field has its unit in its metadata, and the file has what it is of, under `samestep.…`.
"""

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from harness.report.exporters import values
from harness.report.exporters.csv import CAVEAT
from harness.report.tables.all import Tables
from harness.report.tables.column import Column
from harness.report.tables.table import R, Table
from harness.validity.results import Run

if TYPE_CHECKING:
    import pyarrow as pa

WORD: Final = "_word"  # ends the key of a column of words that stand in the place of a number
PREFIX: Final = "samestep."  # of the keys in the metadata of a file


def files(run: Run, tables: Tables) -> Mapping[str, bytes]:
    """Return one file per table."""
    return {f"parquet/{table.name}.parquet": to_parquet(run, table) for table in tables}


def render(run: Run, tables: Tables, table: str | None) -> bytes:
    """Return one table: the named one, otherwise that of the steps. Raises KeyError for an unknown name."""
    return to_parquet(run, tables.named(table or "steps"))


def to_parquet(run: Run, table: Table[R]) -> bytes:
    """Return the table as a Parquet file; the caveat of the run, if it has one, is the last column of each row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields, arrays = [], []
    for column in values.keyed(table):
        for field, array in _columns(column, table):
            fields.append(field)
            arrays.append(array)
    if run.caveat:
        fields.append(pa.field(CAVEAT, pa.string()))
        arrays.append(pa.array([run.caveat] * len(table.rows), pa.string()))
    schema = pa.schema(fields, metadata=_metadata(run, table))
    file = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file)
    return file.getvalue()


def _columns(column: Column[R], table: Table[R]) -> "list[tuple[pa.Field, pa.Array]]":
    """Return the column, and that of its words if it has any."""
    import pyarrow as pa

    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    found = [_storable(values.typed(column, row)) for row in table.rows]
    unit = values.unit(column.key)
    field = pa.field(column.key, types.get(column.type, pa.string()), metadata={"unit": unit} if unit else None)
    if not column.words:
        return [(field, pa.array(found, field.type))]
    numbers = [None if isinstance(value, str) else value for value in found]
    words = [value if isinstance(value, str) else None for value in found]
    named = pa.field(column.key + WORD, pa.string())
    return [(field, pa.array(numbers, field.type)), (named, pa.array(words, named.type))]


def _storable(value: values.Typed) -> Any:
    """Return names as one text, as the CSV has them; an integer of more than 64 bits, which no quantity is, as None."""
    if isinstance(value, list):
        return " ".join(value) or None
    return None if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63 else value


def _metadata(run: Run, table: Table[R]) -> dict[str, str]:
    units = {column.key: unit for column in values.keyed(table) if (unit := values.unit(column.key))}
    said = {
        "run": run.facts.id,
        "table": table.name,
        "version": values.version(),
        "units": json.dumps(units, ensure_ascii=False),
        "reasons": json.dumps(values.reasons(table.rows)),
        **({CAVEAT: run.caveat} if run.caveat else {}),
    }
    return {f"{PREFIX}{name}": value for name, value in said.items()}
