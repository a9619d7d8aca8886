"""The report of a run: written into a folder, printed in the terminal, or returned in one format.

Printing reads a run and writes nothing, so it works with a run of another user, on a full disk and on a read-only file
system. Beside a page, `made-from.json` says which records it shows.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.errors import StoreError
from harness.report.exporters import EXPORTERS, exporter
from harness.report.exporters.console import print_sentences, print_table
from harness.report.onward import next_command
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.report.view import view
from harness.store.files import complete_file
from harness.store.folder import RunFolder
from harness.terminal import shell
from harness.terminal.failures import explained
from harness.terminal.streams import console as standard_console
from harness.validity.results import Run, load

if TYPE_CHECKING:
    from rich.console import Console

PAGE: Final = "index.html"
MADE_FROM: Final = "made-from.json"


def write_report(folder: RunFolder, into: Path | None = None) -> Path:
    """Write the whole report of a run into its own folder, or `into` another; return the path of its page.

    Raises:
        StoreError: the run cannot be read, or the report cannot be written.
    """
    target = into or folder.report_path
    if into is None:
        try:
            folder.merge_samples()
        except StoreError as error:  # they are read as they are
            logging.getLogger(__name__).warning("samestep: %s", error)
    made_from = source(folder, whole=True)
    run = load(folder)
    try:
        page = write(run, target)
        write_files(target, {MADE_FROM: made_from})
    except (OSError, ValueError) as error:
        raise StoreError(f"The report cannot be written: {explained(error) or error}.") from error
    return page


def print_report(folder: RunFolder, table: str | None = None) -> None:
    """Print the report of a run in the terminal, or one table of it; raises KeyError for an unknown name."""
    run = load(folder)
    if table is None:
        show(run, standard_console())
        return
    if run.caveat:
        print_sentences((run.caveat, ""), standard_console())
    print_table(view(tables(run).named(table), wide=False), standard_console())


def write(run: Run, folder: Path) -> Path:
    """Write the report of `run` into `folder`, in every format that has files; return the path of its page.

    Raises:
        OSError: the folder cannot be created or written.
    """
    computed = tables(run)
    for name in EXPORTERS:
        write_files(folder, exporter(name).files(run, computed))
    return folder / PAGE


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write texts and bytes into `folder`, by path; a reader finds each file as it was or as it is, never half of it.

    Raises:
        OSError: the folder cannot be created or written.
    """
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with complete_file(target, durable=False) as written:
            written.write_bytes(content.encode() if isinstance(content, str) else content)


def source(folder: RunFolder, *, whole: bool) -> str:
    """Return the text of MADE_FROM: the records that a report shows; not `whole`: it has no charts yet."""
    return json.dumps({"records_sha256": _records_sha256(folder), "whole": whole}) + "\n"


def where(folder: RunFolder) -> str:
    """Return where the page of a run is; where it is missing or not of these records, the command that makes it."""
    page = folder.report_path / PAGE
    if not page.is_file():
        return f"No page yet; this makes it: {remake(folder)}"
    made_from = _made_from(folder)
    if "records_sha256" in made_from and made_from["records_sha256"] != _records_sha256(folder):
        return f"Report: {page}, older than the records; this makes it again: {remake(folder)}"
    if made_from.get("whole", True) is not True:
        return f"Report: {page}, without charts so far; this makes it whole: {remake(folder)}"
    return f"Report: {page}"


def show(run: Run, console: "Console") -> None:
    """Print the tables, then the summary of the run."""
    computed = tables(run)
    if run.caveat:
        print_sentences((run.caveat, ""), console)
    for table in computed.shown(run):
        if table.is_printed and (table.rows or not table.is_optional):
            print_table(view(table, wide=False), console)
    program = shell.command(*shell.program())
    print_sentences(summary(run, computed, program), console, next_command(run.facts, program))


def render(run: Run, format: str, table: str | None = None) -> str:
    """Return the report as text, as `document` does; raises KeyError for a format that is no text, too."""
    if isinstance(made := document(run, format, table), str):
        return made
    raise KeyError(format)


def document(run: Run, format: str, table: str | None = None) -> str | bytes:
    """Return the report in one format: the named `table`, or all tables.

    CSV and Parquet without a name are the table "steps"; "html" and "github" are always the whole page, and
    "pytest-benchmark" is always the steps.

    Raises:
        KeyError: there is no such format or table.
    """
    return exporter(format).render(run, tables(run), table)


def _records_sha256(folder: RunFolder) -> str:
    with contextlib.suppress(OSError), folder.records_path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def _made_from(folder: RunFolder) -> Mapping[str, object]:
    """Return what MADE_FROM says; nothing where it is missing or damaged, as beside a page of an older samestep."""
    try:
        said = json.loads((folder.report_path / MADE_FROM).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def remake(folder: RunFolder) -> str:
    """Return the command that makes the page of a run again, into another folder where the run's cannot be written."""
    path = folder.path.absolute()
    into = shell.path(path / "report") if os.access(path, os.W_OK) else Path(f"report-{folder.id}")
    return shell.samestep("report", shell.path(path), "--output", into)
