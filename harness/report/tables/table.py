"""A table as data: its rows, its columns and what it says beside them."""

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
    is_hole: Callable[[R], bool]  # the row has no result to show, only its reason
    flags: tuple[Flag, ...] = ()  # that some row raised
    tells_reasons: bool = True  # False: another table says why a row is missing
    is_timed: bool = True  # False: it says something in a run that measured no time, too
    is_optional: bool = False  # left out of a terminal where the run has nothing for it
    is_printed: bool = True  # False: in a terminal a sentence says what matters of it
    remarks: tuple[str, ...] = ()  # what a reader of these rows has to know, a sentence each

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of the CSV: the contract."""
        return tuple(column.key for column in self.columns if column.key)


def inference_remark(found: Iterable[Row], says: str) -> tuple[str, ...]:
    """Return the sentence that tells rows of inference from training; none where all rows train."""
    inferring = [row for row in found if row.is_inference]
    if not inferring:
        return ()
    exported = [row for row in inferring if row.source]
    who = listed(list(dict.fromkeys(row.title for row in exported)))
    sources = listed(list(dict.fromkeys(row.source for row in exported)))
    what = f"{who} runs models that {sources} trained and exported; " if exported else ""
    return (f"Inference, not training: {what}{says}.",)


def rows_in_words(count: int) -> str:
    """Return "one row" or "3 rows"."""
    return "one row" if count == 1 else f"{count} rows"
