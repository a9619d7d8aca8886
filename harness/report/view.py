"""A table as text for people. The terminal, Markdown and the page print it."""

from dataclasses import dataclass
from typing import TypeVar

from harness.report.tables.column import Column
from harness.report.tables.row import Row
from harness.report.tables.table import Table
from harness.stats.flags import Flag

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The heading of one column."""

    text: str
    unit: str  # empty: none
    is_number: bool
    is_code: bool = False  # a command to be copied, which stays in one line
    is_flags: bool = False  # its values are the letters of flags
    is_context: bool = False  # its values are parts of a name that do not say what they are: "2", "strong"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownValue:
    """One value as text."""

    text: str
    sort: float | str  # sort key; infinity when the value is absent
    hint: str  # more about the value; empty: nothing
    interval: str = ""  # its ends with a comma between them, for paper; empty: it has none, or is one


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRow:
    """One row as text."""

    names: tuple[ShownValue, ...]  # the cell: framework, mode, and the fields that differ between rows
    values: tuple[ShownValue, ...]  # its results
    status: str
    reason: str  # empty when the status is "ok"
    is_hole: bool  # the row has no result; its reason is shown instead
    is_inference: bool = False  # shown in a group of its own; it is not compared with training

    @property
    def is_struck(self) -> bool:
        """Whether the row is struck through: an invalid row, which is not ranked."""
        return self.status == "invalid"

    @property
    def name(self) -> str:
        """The name of the row, as one text."""
        return " ".join(name.text for name in self.names)

    @property
    def note(self) -> str:
        """The status with its reason; empty for a good row."""
        return "" if self.status == "ok" else f"{self.status}: {self.reason}" if self.reason else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The meaning of one column."""

    text: str  # its heading with its unit
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One table as text."""

    name: str
    title: str
    about: str
    names: tuple[Heading, ...]
    values: tuple[Heading, ...]
    rows: tuple[ViewRow, ...]
    common: tuple[str, ...]  # values that all rows share, such as "optimizer adam"
    absent: tuple[str, ...]  # names of the columns without a value in this run
    flags: tuple[Flag, ...]  # the legend of the letters
    notes: tuple[ViewRow, ...]  # rows whose note is shown below the table
    remarks: tuple[str, ...]  # sentences that a reader of these rows needs
    explanations: tuple[Explanation, ...]  # of the columns whose heading is not enough

    @property
    def is_prose(self) -> bool:
        """Whether its results are sentences, for which a grid has no room."""
        return any(not heading.is_number for heading in self.values)

    @property
    def common_sentence(self) -> str:
        """The values that all rows share, as one sentence; empty when they share none."""
        return f"All rows: {', '.join(self.common)}." if self.common else ""


def view(table: Table[R], *, wide: bool, paper: bool = False) -> View:
    """Return `table` as text; a column with one value in all rows, or with none, becomes part of a sentence.

    Args:
        table: a table of the run.
        wide: for the page and Markdown; otherwise for a terminal or for paper, which have less room.
        paper: for paper, where an interval stands behind its value.
    """
    media = ("all", "wide") if wide else ("all", "narrow") if paper else ("all", "narrow", "terminal")
    shown = [column for column in table.columns if column.heading and column.where in media]
    context = [column for column in shown if column.kind == "context" and _is_known(table, column)]
    varying = [column for column in context if len({column.get(row) for row in table.rows}) > 1]
    names = [column for column in shown if column.kind == "name"] + varying
    numbers = [column for column in shown if column.kind not in ("name", "context")]
    present = [column for column in numbers if not table.rows or any(_has_value(column, row) for row in table.rows)]
    folded = [column for column in present if _folds(column, wide=wide) and len(_texts(table, column)) == 1]
    values = [column for column in present if column not in folded]
    rows = tuple(_row(table, row, names, values) for row in table.rows)
    common = [_common_value(column, table.rows[0]) for column in context if column not in varying and table.rows]
    return View(
        name=table.name,
        title=table.title,
        about=table.about,
        names=tuple(_heading(column, is_number=False) for column in names),
        values=tuple(_heading(column, is_number=column.kind in ("number", "flags")) for column in values),
        rows=rows,
        common=(*common, *(_folded(table, column) for column in folded)),
        absent=tuple(_full_heading(column) for column in numbers if column.key and column not in present),
        flags=table.flags,
        notes=tuple(row for row in rows if row.note and (table.shows_reasons or ((wide or paper) and row.is_struck))),
        remarks=table.remarks,
        explanations=tuple(
            Explanation(text=_full_heading(column), sentence=column.explanation)
            for column in shown
            if column.explanation and (column in present or column not in numbers)
        ),
    )


def _is_known(table: Table[R], column: Column[R]) -> bool:
    """Whether a field of the cell has a value in some row; or there are no rows, where nothing is said of it."""
    return not table.rows or any(_has_value(column, row) for row in table.rows)


def _has_value(column: Column[R], row: R) -> bool:
    return column.get(row) not in (None, "")


def _folds(column: Column[R], *, wide: bool) -> bool:
    return column.folds == "always" or (column.folds == "narrow" and not wide)


def _texts(table: Table[R], column: Column[R]) -> set[str]:
    """Return the distinct texts of `column` in the rows that have a value."""
    return {column.format(column.get(row)) for row in table.rows if _has_value(column, row)}


def _folded(table: Table[R], column: Column[R]) -> str:
    """Return a folded column as text; it says so when a row with a result has no value."""
    (text,) = _texts(table, column)
    incomplete = any(not _has_value(column, row) for row in table.rows if not table.is_hole(row))
    return f"{_full_heading(column)} {text}" + (" (where reported)" if incomplete else "")


def _full_heading(column: Column[R]) -> str:
    return f"{column.heading} {column.unit}".strip()


def _heading(column: Column[R], *, is_number: bool) -> Heading:
    return Heading(
        text=column.heading,
        unit=column.unit,
        is_number=is_number,
        is_code=column.kind == "code",
        is_flags=column.kind == "flags",
        is_context=column.kind == "context",
    )


def _common_value(column: Column[R], row: R) -> str:
    return f"{column.heading} {column.format(column.get(row))}"


def _row(table: Table[R], row: R, names: list[Column[R]], values: list[Column[R]]) -> ViewRow:
    return ViewRow(
        names=tuple(_shown(column, row) for column in names),
        values=tuple(_shown(column, row) for column in values),
        status=row.status,
        reason=row.reason,
        is_hole=table.is_hole(row),
        is_inference=row.is_inference,
    )


def _shown(column: Column[R], row: R) -> ShownValue:
    value = column.get(row)
    sort: float | str = value if isinstance(value, int | float) else value or float("inf")
    instead = column.instead(row) if column.instead else ""
    return ShownValue(
        text=instead or column.format(value),
        sort=sort,
        hint=column.hint(row) if column.hint else "",
        interval=_interval(column, row),
    )


def _interval(column: Column[R], row: R) -> str:
    interval = column.interval(row) if column.interval else None
    return f"{column.format(interval.low)}, {column.format(interval.high)}" if interval else ""
