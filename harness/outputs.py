"""What a run folder is turned into for people: the report on disk, tables in the terminal, a comparison."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.compare.choice import Choice
from harness.report.facts import Run, renamed, upgraded
from harness.store.folder import RunFolder
from harness.validity import validity

if TYPE_CHECKING:
    from harness.compare.compare import Comparison

UNFOLDED = 200  # characters of a line: a file or a pipe has no edge to fold at


def write_report(folder: RunFolder) -> Path:
    """Make the report of a run anew; return the path of its page."""
    from harness import report

    folder.merge_samples()
    return report.write(load(folder), folder.report_path)


def print_report(folder: RunFolder) -> None:
    """Print the tables for a person."""
    from harness import report

    report.terminal(load(folder), Console(file=sys.stdout))


def load(folder: RunFolder) -> Run:
    """Return everything a report is made from, with what only all records together can judge; raises StoreError."""
    samples = folder.samples.merged
    facts = upgraded(folder.facts())
    found = validity.judged(folder.records(), facts)
    planned = ((renamed(place.cell), place.block) for place in folder.plan().places())
    return Run(
        facts=facts,
        records=found.records,
        replaced=found.replaced,
        warnings=found.warnings,
        incomplete=validity.incomplete(found.records, planned),
        samples=samples if samples.is_file() else None,
    )


def compare_folders(
    a: RunFolder, b: RunFolder, chosen: tuple[Choice, Choice] = (Choice(), Choice()), format: str | None = None
) -> "Comparison":
    """Print how the chosen cells of run `b` compare with those of run `a`; return what was found."""
    from harness.compare import compare as comparing
    from harness.compare import render

    run_a = load(a)
    found = comparing.compare(run_a, run_a if a.path == b.path else load(b), chosen)
    if format is not None:
        sys.stdout.write(render.render(found, format))
        return found
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = UNFOLDED
    render.show(found, console)
    return found
