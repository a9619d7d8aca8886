"""The report of a run: written into its folder, printed in the terminal, or returned in one format."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from harness.store.folder import RunFolder
from harness.validity.results import load

if TYPE_CHECKING:
    from harness.validity.results import Run

FORMATS: Final = ("csv", "md", "html", "pytest-benchmark")
OPTIONAL: Final = ("growth", "crossovers", "energy", "session")  # not shown where a run has nothing for them
UNPRINTED: Final = ("limits",)  # in a terminal a sentence says what matters of it
TABLES: Final = (
    "steps", "growth", "crossovers", "limits", "compile", "proof", "reproducibility", "accuracy", "memory", "energy",
    "code", "session",
)  # fmt: skip


def write_report(folder: RunFolder) -> Path:
    """Make the report of a run anew; return the path of its page."""
    # moved

    folder.merge_samples()
    return write(load(folder), folder.report_path)


def print_report(folder: RunFolder) -> None:
    """Print the tables for a person."""
    # moved

    terminal(load(folder), Console(file=sys.stdout))


def write(run: "Run", folder: Path) -> Path:
    """Write the whole report of `run` into `folder`: the page, Markdown and CSV files. Return the page's path.

    Raises:
        OSError: the folder cannot be made or written.
    """
    from harness.report import view
    from harness.report.exporters import markdown
    from harness.report.exporters.csv import to_csv
    from harness.report.exporters.html import page
    from harness.report.tables.all import tables

    found = tables(run)
    (folder / "csv").mkdir(parents=True, exist_ok=True)
    for table in found:
        (folder / "csv" / f"{table.name}.csv").write_text(to_csv(table), encoding="utf-8")
        text = f"# samestep: {run.facts.id}\n\n" + markdown.section(view.view(table, wide=True))
        (folder / f"{table.name}.md").write_text(text, encoding="utf-8")
    (folder / "index.md").write_text(markdown.index(run, found), encoding="utf-8")
    path = folder / "index.html"
    path.write_text(page(run, found), encoding="utf-8")
    return path


def terminal(run: "Run", console: "Console") -> None:
    """Print the tables that a person waits for, with what the run says."""
    from harness.report.exporters import console as printed
    from harness.report.summary import summary
    from harness.report.tables.all import tables
    from harness.report.view import view

    found = tables(run)
    for table in found.shown(run):
        if table.name in UNPRINTED or (table.name in OPTIONAL and not table.rows):
            continue
        printed.show(view(table, wide=False), console)
    printed.sentences(summary(run, found), console)


def render(run: "Run", format: str, table: str | None = None) -> str:
    """Return the report as text: one `table` or all (CSV: "steps" unless named).

    "html" is always the whole page, "pytest-benchmark" the steps alone.

    Raises:
        KeyError: no such format or table.
    """
    from harness.report import view
    from harness.report.exporters import markdown, pytest_benchmark
    from harness.report.exporters.csv import to_csv
    from harness.report.exporters.html import page
    from harness.report.tables.all import tables
    from harness.report.tables.table import Table

    if format == "pytest-benchmark":
        return pytest_benchmark.to_json(run)
    found = tables(run)
    if format == "html":
        return page(run, found)
    by_name: dict[str, Table[Any]] = {one.name: one for one in found}
    chosen = [by_name[table]] if table else list(found if format == "csv" else found.shown(run))
    if format == "csv":
        return to_csv(chosen[0])
    if format == "md":
        sections = [markdown.section(view.view(one, wide=True)) for one in chosen]
        return "\n".join(sections if table else filter(None, [*sections, markdown.exports(run)]))
    raise KeyError(format)
