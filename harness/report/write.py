"""The report of a run: written into its folder, printed in the terminal, or returned in one format."""

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from harness import shell
from harness.report.exporters import EXPORTERS, exporter
from harness.report.exporters.console import print_sentences, print_table
from harness.report.onward import next_command
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.report.view import view
from harness.store.folder import RunFolder
from harness.validity.results import Run, load

PAGE = "index.html"


def write_report(folder: RunFolder) -> Path:
    """Write the report of a run again; return the path of its page."""
    folder.merge_samples()
    return write(load(folder), folder.report_path)


def print_report(folder: RunFolder) -> None:
    """Print the report of a run in the terminal."""
    show(load(folder), Console(file=sys.stdout))


def write(run: Run, folder: Path) -> Path:
    """Write the report of `run` into `folder`, in every format that has files; return the path of its page.

    Raises:
        OSError: the folder cannot be created or written.
    """
    computed = tables(run)
    for name in EXPORTERS:
        write_files(folder, exporter(name).files(run, computed))
    return folder / PAGE


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts into `folder`, by path; a reader finds each file as it was or as it is, never half of it.

    Raises:
        OSError: the folder cannot be created or written.
    """
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        written = target.with_name(f".{target.name}.new")
        written.write_text(text, encoding="utf-8")
        written.replace(target)


def show(run: Run, console: Console) -> None:
    """Print the tables, then the summary of the run."""
    computed = tables(run)
    for table in computed.shown(run):
        if table.is_printed and (table.rows or not table.is_optional):
            print_table(view(table, wide=False), console)
    program = shell.command(*shell.program())
    print_sentences(summary(run, computed, program), console, next_command(run.facts, program))


def render(run: Run, format: str, table: str | None = None) -> str:
    """Return the report as text: the named `table`, or all tables.

    CSV without a name is the table "steps"; "html" is always the whole page, "pytest-benchmark" always the steps.

    Raises:
        KeyError: there is no such format or table.
    """
    return exporter(format).render(run, tables(run), table)
