"""The doctor's tables, which fit a terminal of 80 columns, and its remedies on a line each, to be copied."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from harness.doctor.checks import Check

if TYPE_CHECKING:
    from rich.console import Console

COLOURS: Final[Mapping[str, str]] = {
    "ok": "green", "warn": "yellow", "fail": "red", "works": "green", "skipped": "yellow", "fails": "red",
}  # fmt: skip


def checks(console: "Console", found: Sequence[Check], heading: str = "check") -> None:
    """Print a table of checks, and below it the remedies."""
    lines = table(heading, "", "found")
    for check in found:
        lines.add_row(escape(check.name), coloured(check.status), escape(check.found))
    console.print(lines)
    console.print()
    for check in found:
        if check.remedy:  # on one line, whatever the width: a command in it can be copied
            print(f"{check.name}: {check.remedy}")


def table(*headings: str) -> Table:
    """Return a table whose long words go on in the next line: cut, a remedy could not be followed."""
    lines = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for column in lines.columns:
        column.overflow = "fold"
    return lines


def coloured(word: str) -> str:
    """Return a status or a result in its colour."""
    return f"[{COLOURS[word]}]{word}[/]"
