"""Which columns of a table a terminal has room for, and how wide they are. A number is never cut.

Columns of text are folded first, down to a few characters. Where that is not enough, columns are left out, and a
sentence names them; also where one or two columns fewer keep all names whole. The widths are those of `rich`, whose own
way to make room is to cut what does not fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

LEAST: Final = 8  # characters of a folded column
LONGEST: Final = 20  # characters of a value with digits that are kept in one line
LONGEST_NAME: Final = 28  # characters of one word, with its indentation, for which a column is left out
MOST_MORE: Final = 2  # columns that are left out for it
FEWEST: Final = 4  # columns of values that stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of texts."""

    title: str  # may have two lines
    texts: tuple[str, ...]
    folds: bool = False  # it is text, which may go on in the next line

    @property
    def natural(self) -> int:
        """Width with which nothing is folded."""
        return max((cell_len(line) for text in (self.title, *self.texts) for line in text.split("\n")), default=0)

    @property
    def unbroken(self) -> int:
        """Width with which no word is broken."""
        return max([1, *map(_longest_word, (self.title, *self.texts))])

    @property
    def whole(self) -> int:
        """Width that it needs in order to break no name of one word."""
        names = [cell_len(text) for text in self.texts if len(text.split()) == 1]
        return max([self.least, *(length for length in names if length <= LONGEST_NAME)])

    @property
    def least(self) -> int:
        """Width that it needs."""
        if self.folds:
            return min(self.natural, LEAST)
        return max([1, *map(_longest_word, self.title.split("\n")), *map(_unbroken, self.texts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns that are shown."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]  # of those
    left_out: tuple[int, ...]


def fitted(columns: Sequence[Column], width: int, *, first_out: Sequence[int]) -> Layout | None:
    """Return what fits into `width` characters; None: not even the columns that are not in `first_out`.

    Args:
        columns: of the table.
        width: of the terminal.
        first_out: columns that may be left out, the first one first.
    """
    layout = _fitted(columns, width, [column.least for column in columns], first_out)
    if layout is None:
        return None
    fewest = len(layout.left_out) + MOST_MORE
    more = [at for at in first_out if not columns[at].folds][: max(0, min(fewest, len(first_out) + 1 - FEWEST))]
    whole = [column.whole if column.folds else column.least for column in columns]
    return _fitted(columns, width, whole, more) or layout


def _fitted(columns: Sequence[Column], width: int, least: Sequence[int], first_out: Sequence[int]) -> Layout | None:
    out: list[int] = []
    waiting = list(first_out)
    while True:
        shown = [at for at in range(len(columns)) if at not in out]
        free = width - (2 * len(shown) - 1) - sum(least[at] for at in shown)
        if free >= 0:
            break
        if not waiting:
            return None
        out.append(waiting.pop(0))
    widths = {at: least[at] for at in shown}
    folded = [at for at in shown if columns[at].folds]
    wishes = [(at, columns[at].unbroken) for at in folded]
    wishes += [(at, columns[at].natural) for at in (*folded, *shown)]
    for at, wish in wishes:
        more = max(0, min(free, wish - widths[at]))
        widths[at] += more
        free -= more
    return Layout(shown=tuple(shown), widths=tuple(widths.values()), left_out=tuple(sorted(out)))


def left_out_sentence(columns: Sequence[Column], layout: Layout, width: int) -> str:
    """Return the sentence that names the columns without room; empty where all are shown."""
    names = [" ".join(columns[at].title.split()) for at in layout.left_out]
    if not names:
        return ""
    return f"No room in {width} columns for: {', '.join(names)}. A wider terminal or --format csv has them."


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _unbroken(text: str) -> int:
    """Return the length of the longest part of a value that stays in one line."""
    has_number = any(character.isdigit() for character in text)
    return cell_len(text) if has_number and cell_len(text) <= LONGEST else _longest_word(text)
