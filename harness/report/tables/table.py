"""A table as data: its rows, its columns, and the sentences below it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.format import listed
from harness.report.tables.column import Column
from harness.report.tables.row import Row
from harness.stats.flags import Flag

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[R]):
    """One table of a run."""

    name: str  # that of its field in `Tables`, of its files, and on the command line
    title: str
    about: str  # how to read it, a sentence or two
    columns: tuple[Column[R], ...]
    rows: tuple[R, ...]
    is_hole: Callable[[R], bool]  # whether a row has no result, only a reason
    flags: tuple[Flag, ...] = ()  # those that at least one row has
    shows_reasons: bool = True  # False: another table gives the reason of a row without a result
    is_timed: bool = True  # False: it is also shown for a run without times
    is_optional: bool = False  # the terminal leaves it out when it has no rows
    is_printed: bool = True  # False: the terminal prints a sentence instead
    remarks: tuple[str, ...] = ()  # sentences that a reader of these rows needs

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the CSV's columns, in order; scripts rely on them."""
        return tuple(column.key for column in self.columns if column.key)


def inference_remark(rows: Iterable[Row], meaning: str) -> tuple[str, ...]:
    """Return the sentence on the rows of inference, which ends with `meaning`; none when all rows train."""
    inferring = [row for row in rows if row.is_inference]
    if not inferring:
        return ()
    exported = [row for row in inferring if row.source]
    runners = listed(list(dict.fromkeys(row.title for row in exported)))
    sources = listed(list(dict.fromkeys(row.source for row in exported)))
    trained = "exported" if any(row.cell.batch for row in exported) else "trained and exported"  # else by the run
    runs = "run" if len({row.title for row in exported}) > 1 else "runs"
    origin = f"{runners} {runs} models that {sources} {trained}; " if exported else ""
    return (f"Inference, not training: {origin}{meaning}.",)


def rows_in_words(count: int) -> str:
    """Return "one row" or "3 rows"."""
    return "one row" if count == 1 else f"{count} rows"
