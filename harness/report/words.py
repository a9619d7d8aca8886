"""Rows, counts and durations in the sentences of a report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from harness.format import duration, listed
from harness.report.tables.row import Row
from harness.stats.estimate import FEW_BLOCKS, Estimate

FEW: Final = 4  # at most this many names are listed one by one


def name(row: Row) -> str:
    """Return the framework and the mode of `row`."""
    return f"{row.title} {row.cell.mode}"


def names(rows: Sequence[Row]) -> str:
    """Name `rows`: a few one by one, many grouped by framework."""
    if len(rows) <= FEW:
        return listed(_counted(name(row) for row in rows))
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row.title, []).append(row.cell.mode)
    return "; ".join(f"{title} {listed(_counted(modes))}" for title, modes in groups.items())


def _counted(names: Iterable[str]) -> list[str]:
    """Return each name once; a name of several cells, for example of two sizes, with the number of cells."""
    return [name if count == 1 else f"{name} ({count} cells)" for name, count in Counter(names).items()]


def count(number: int, noun: str) -> str:
    """Return "one noun" or several, in figures."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def time(ns: Estimate) -> str:
    """Return a duration, or the lowest and the highest replicate where one number cannot stand for them."""
    if ns.extent is None or not ns.is_wide:
        return duration(ns.value)
    return f"{duration(ns.extent.low)}–{duration(ns.extent.high)}"


def labelled(sentence: str, blocks: int) -> str:
    """Return `sentence`, with the number of blocks behind it where they are few."""
    return sentence if blocks >= FEW_BLOCKS else f"{sentence.removesuffix('.')} ({count(blocks, 'block')})."
