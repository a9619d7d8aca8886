"""What a run folder is turned into for people: the report on disk, tables in the terminal, a comparison."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness import identity, limits
from harness.report.facts import Run, upgraded
from harness.store import RunFolder

if TYPE_CHECKING:
    from harness.compare import Comparison

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
    records = limits.judged(identity.judged(folder.records()), facts)
    return Run(facts=facts, records=records, samples=samples if samples.is_file() else None)


def compare_folders(a: RunFolder, b: RunFolder) -> "Comparison":
    """Print how run `b` compares with run `a`; return what was found."""
    from harness import compare as comparison

    run_a, run_b = load(a), load(b)
    found = comparison.compare(run_a, run_b)
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = UNFOLDED
    comparison.show(run_a, run_b, found, console)
    return found
