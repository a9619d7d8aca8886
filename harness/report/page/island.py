"""The data of the page's script: JSON in an element that no browser runs and no text can leave."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from bench.records.record import Cell
from harness.report.matrix import SHADES, WIDE, Matrix
from harness.report.overview import WORK, CellFacts, work_of
from harness.report.tables.row import Row

KEYS: Final = tuple(field.name for field in dataclasses.fields(CellFacts))
DIGITS: Final = 6  # significant ones of a number
SAFE: Final[dict[str, str | int | None]] = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def script_json(data: Any) -> Markup:
    """Return `data` as JSON for an element `script`: no text in it ends the element, begins a comment or a line."""
    text = json.dumps(_short(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(str.maketrans(SAFE)).encode(errors="replace").decode())


def page_data(
    cells: Sequence[CellFacts],
    matrix: Matrix | None,
    rows: Mapping[str, Sequence[Row]],
    *,
    hues: Mapping[str, int],
    lines: Mapping[str, int],
) -> Markup:
    """Return the cells, the matrix, and which row of which table belongs to which cell.

    Args:
        cells: those of the overview.
        matrix: of these cells; None: there is none.
        rows: of each table, in the order of the page, by its name.
        hues: number of the hue of each framework, by its title.
        lines: lines of code of the hello world of each framework, by its name.
    """
    index = {_identity(cell): at for at, cell in enumerate(cells)}
    return script_json(
        {
            "keys": KEYS,
            "cells": [[getattr(cell, key) for key in KEYS] for cell in cells],
            "hues": hues,
            "lines": lines,
            "work": WORK,
            "shades": SHADES,
            "wide": WIDE,
            "matrix": _matrix(matrix) if matrix else None,
            "rows": {
                name: [index.get(_place(row.cell), row.cell.framework_id) for row in of] for name, of in rows.items()
            },
        }
    )


def _matrix(matrix: Matrix) -> Mapping[str, Any]:
    return {
        "works": matrix.has_works,
        "columns": [column.key for column in matrix.columns],
        "measures": [measure.key for measure in matrix.measures],
        "rows": [[row.key, row.is_inference, [field.cell for field in row.fields]] for row in matrix.rows],
    }


def _identity(cell: CellFacts) -> tuple[str, ...]:
    return (cell.framework, cell.mode, *cell.work)


def _place(cell: Cell) -> tuple[str, ...]:
    """Return the identity of the facts of `cell`."""
    return (cell.framework_id, cell.mode, *work_of(cell))


def _short(data: Any) -> Any:
    """Return `data` with numbers of `DIGITS` digits, and null for one that JSON lacks."""
    if isinstance(data, float):
        return float(f"{data:.{DIGITS}g}") if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _short(value) for key, value in data.items()}
    return [_short(value) for value in data] if isinstance(data, list | tuple) else data


def csp(scripts: Iterable[str]) -> str:
    """Return the source list of the content security policy that allows scripts with these SHA-256 hashes alone."""
    return " ".join(f"'sha256-{digest}'" for digest in scripts)
