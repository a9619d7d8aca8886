"""The report of a run: written into its folder, printed in the terminal, or returned in one format."""

import sys
from pathlib import Path

from rich.console import Console

from harness.report.exporters import EXPORTERS, exporter
from harness.report.exporters import console as terminal
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.report.view import view
from harness.store.folder import RunFolder
from harness.validity.results import Run, load

PAGE = "index.html"


def write_report(folder: RunFolder) -> Path:
    """Make the report of a run anew; return the path of its page."""
    folder.merge_samples()
    return write(load(folder), folder.report_path)


def print_report(folder: RunFolder) -> None:
    """Print the tables for a person."""
    show(load(folder), Console(file=sys.stdout))


def write(run: Run, folder: Path) -> Path:
    """Write the whole report of `run` into `folder`, in every format that has files. Return the page's path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    computed = tables(run)
    for name in EXPORTERS:
        for path, text in exporter(name).files(run, computed).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder / PAGE


def show(run: Run, console: Console) -> None:
    """Print the tables that a person waits for, then the sentences of the run."""
    computed = tables(run)
    for table in computed.shown(run):
        if table.is_printed and (table.rows or not table.is_optional):
            terminal.show(view(table, wide=False), console)
    terminal.sentences(summary(run, computed), console)


def render(run: Run, format: str, table: str | None = None) -> str:
    """Return the report as text: one `table` or all (CSV: "steps" unless named).

    "html" is always the whole page, "pytest-benchmark" the steps alone.

    Raises:
        KeyError: no such format or table.
    """
    return exporter(format).render(run, tables(run), table)
