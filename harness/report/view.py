"""A table as people see it, without a medium: text in cells. The terminal, Markdown and the page only lay it out."""

from dataclasses import dataclass
from typing import TypeVar

from harness.report.tables.column import Column
from harness.report.tables.row import Row
from harness.report.tables.table import Table
from harness.stats.flags import Flag

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The top of one column."""

    text: str
    unit: str  # empty: none
    is_number: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One value as text."""

    text: str
    sort: float | str  # to sort by; infinity for what is absent
    hint: str  # more about it; empty: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRow:
    """One row as text."""

    names: tuple[Shown, ...]  # who it is: framework, mode, what differs between rows
    values: tuple[Shown, ...]  # what it got
    status: str
    reason: str  # empty when the status is "ok"
    is_hole: bool  # there is no value, the reason stands in its place
    is_inference: bool = False  # it stands apart: nothing of it compares with training

    @property
    def is_struck(self) -> bool:
        """An invalid row is struck through and not ranked."""
        return self.status == "invalid"

    @property
    def name(self) -> str:
        """Who it is, as one text."""
        return " ".join(name.text for name in self.names)

    @property
    def note(self) -> str:
        """Why something is wrong or missing; empty for a good row."""
        return "" if self.status == "ok" else f"{self.status}: {self.reason}" if self.reason else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What one column means."""

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
    common: tuple[str, ...]  # what all rows share, such as "optimizer adam"
    absent: tuple[str, ...]  # columns without any value in this run
    flags: tuple[Flag, ...]  # the legend of the letters
    notes: tuple[ViewRow, ...]  # rows whose note is told here
    remarks: tuple[str, ...]  # what a reader of these rows has to know
    explained: tuple[Explained, ...]  # columns that take more than a heading

    @property
    def told(self) -> str:
        """What all rows share, as one sentence; empty when they share nothing."""
        return f"All rows: {', '.join(self.common)}." if self.common else ""


def view(table: Table[R], *, wide: bool) -> View:
    """Lay out `table` for people: columns that say the same everywhere, or nothing anywhere, become a sentence."""
    here = ("all", "wide" if wide else "narrow")
    shown = [column for column in table.columns if column.heading and column.where in here]
    context = [column for column in shown if column.kind == "context"]
    varying = [column for column in context if len({column.get(row) for row in table.rows}) > 1]
    names = [column for column in shown if column.kind == "name"] + varying
    numbers = [column for column in shown if column.kind == "number"]
    there = [column for column in numbers if not table.rows or any(_is_there(column, row) for row in table.rows)]
    folded = [column for column in there if _folds(column, wide=wide) and len(_said(table, column)) == 1]
    values = [column for column in there if column not in folded]
    rows = tuple(_row(table, row, names, values) for row in table.rows)
    common = [_common(column, table.rows[0]) for column in context if column not in varying and table.rows]
    return View(
        name=table.name,
        title=table.title,
        about=table.about,
        names=tuple(_heading(column, is_number=False) for column in names),
        values=tuple(_heading(column, is_number=True) for column in values),
        rows=rows,
        common=(*common, *(_folded(table, column) for column in folded)),
        absent=tuple(_named(column) for column in numbers if column.key and column not in there),
        flags=table.flags,
        notes=tuple(row for row in rows if row.note and (table.tells_reasons or (wide and row.is_struck))),
        remarks=table.remarks,
        explained=tuple(
            Explained(text=_named(column), sentence=column.says)
            for column in shown
            if column.says and (column in there or column not in numbers)
        ),
    )


def _is_there(column: Column[R], row: R) -> bool:
    return column.get(row) not in (None, "")


def _folds(column: Column[R], *, wide: bool) -> bool:
    return column.folds == "always" or (column.folds == "narrow" and not wide)


def _said(table: Table[R], column: Column[R]) -> set[str]:
    """Return the distinct texts of `column`, of the rows that have one."""
    return {column.format(column.get(row)) for row in table.rows if _is_there(column, row)}


def _folded(table: Table[R], column: Column[R]) -> str:
    """Return what a folded column says; rows with a result but without a value do not share it, so it says so."""
    (text,) = _said(table, column)
    silent = any(not _is_there(column, row) for row in table.rows if not table.is_hole(row))
    return f"{_named(column)} {text}" + (" (where told)" if silent else "")


def _named(column: Column[R]) -> str:
    return f"{column.heading} {column.unit}".strip()


def _heading(column: Column[R], *, is_number: bool) -> Heading:
    return Heading(text=column.heading, unit=column.unit, is_number=is_number)


def _common(column: Column[R], row: R) -> str:
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


def _shown(column: Column[R], row: R) -> Shown:
    value = column.get(row)
    sort: float | str = value if isinstance(value, int | float) else value or float("inf")
    return Shown(text=column.format(value), sort=sort, hint=column.hint(row) if column.hint else "")
