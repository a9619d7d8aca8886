"""A comparison for people and scripts: in the terminal, as CSV, Markdown, JSON, or a line for a pull request."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from harness.compare.choice import FIELDS, Choice
from harness.compare.compare import NOT_COMPARABLE, Compared, Comparison
from harness.compare.match import Side, Unmatched
from harness.plan.label import name
from harness.report.exporters.markdown import escape
from harness.stats import estimate as stats
from harness.stats.estimate import Estimate
from harness.store.folder import RunFolder
from harness.validity.results import load

FORMATS: Final = ("csv", "md", "json", "line")
VERDICTS: Final = ("slower", "faster", "same", "undetermined", NOT_COMPARABLE)
COLUMNS: Final = (
    *(f"{side}_{field}" for side in "ab" for field in FIELDS),
    *("verdict", "reason", "a_step_us", "b_step_us", "ratio", "ci_low", "ci_high", "blocks", "p"),
    *("first_step_ratio", "first_step_ci_low", "first_step_ci_high"),
)

UNFOLDED = 200  # characters of a line: a file or a pipe has no edge to fold at


def show(found: Comparison, console: Console) -> None:
    """Print the comparison for a person."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, heading in enumerate(_headings(found)):
        table.add_column(heading, justify="right" if 0 < at < 5 else "left", no_wrap=at < 5)
    for row in _rows(found):
        table.add_row(*row)
    console.print(table)
    for sentence in _sentences(found):
        print(sentence)


def render(found: Comparison, format: str) -> str:
    """Return the comparison as text in one of `FORMATS`; raises KeyError for another."""
    return {"csv": _csv, "md": _markdown, "json": _json, "line": _line}[format](found)


def _headings(found: Comparison) -> tuple[str, ...]:
    a, b = found.a.label, found.b.label
    return ("cell", f"{a} µs", f"{b} µs", "step ratio, 95 %", "first step ratio, 95 %", f"{b} is")


def _rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    for cell in found.cells:
        steps = (f"{cell.a_step_ns / 1e3:.4g}", f"{cell.b_step_ns / 1e3:.4g}")
        said = f"{cell.verdict}: {cell.why}" if cell.why and cell.why not in found.basis else cell.verdict
        yield (cell.what, *steps, _shown(cell.step), _shown(cell.first_step), said)
    if found.together and found.first_steps_together and len(found.cells) > 1:
        yield ("all together", "", "", _shown(found.together), _shown(found.first_steps_together), "")


def _sentences(found: Comparison) -> Iterator[str]:
    a, b = found.a.label, found.b.label
    blocks = min(cell.step.count for cell in found.cells)
    yield f"Ratios are {b} / {a}. {found.basis}"
    if blocks < stats.FEW_BLOCKS:
        yield f"A verdict needs {stats.FEW_BLOCKS} blocks, there are {blocks}: a first look, without verdicts."
    if found.launch_a_s and found.launch_b_s and found.a.run.facts.launcher != found.b.run.facts.launcher:
        yield (
            f"Outside the protocol a replicate takes {found.launch_a_s:.2f} s ({a}) and {found.launch_b_s:.2f} s ({b})."
        )
    cut = {(side.run.facts.id, block): None for side in (found.a, found.b) for block in side.run.incomplete}
    for run_id, block in cut if found.paired else ():
        yield f"Block {block} of {run_id} was interrupted: nothing is paired in it."
    for sentence in found.unlike:
        yield f"Not the same software, so part of the ratio is its: {sentence}."
    for cell in found.unmatched:
        yield f"Not compared: {_unmatched(cell)}."


def _unmatched(one: Unmatched) -> str:
    where = f" ({one.side})" if one.side else ""
    return f"{name(one.cell)}{where}: {one.why.rstrip('.')}"


def _shown(estimate: Estimate) -> str:
    interval = estimate.interval
    return f"{estimate.value:.3f}" + (f" ({interval.low:.3f} to {interval.high:.3f})" if interval else "")


def _markdown(found: Comparison) -> str:
    lines = [_headings(found), ("---", "---:", "---:", "---:", "---:", "---")]
    lines += [tuple(map(escape, row)) for row in _rows(found)]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    told = "\n".join(f"- {escape(sentence)}" for sentence in _sentences(found))
    return f"## {escape(found.a.name)} against {escape(found.b.name)}\n\n{_line(found)}\n{grid}\n\n{told}\n"


def _csv(found: Comparison) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in _flat(found):
        writer.writerow({key: f"{value:.9g}" if isinstance(value, float) else value for key, value in row.items()})
    return text.getvalue()


def _flat(found: Comparison) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell by `COLUMNS`; None where there is no number."""
    for cell in found.cells:
        yield {
            **{f"a_{field}": getattr(cell.a, field) for field in FIELDS},
            **{f"b_{field}": getattr(cell.b, field) for field in FIELDS},
            "verdict": cell.verdict,
            "reason": cell.why,
            "a_step_us": cell.a_step_ns / 1e3,
            "b_step_us": cell.b_step_ns / 1e3,
            "blocks": cell.step.count,
            "p": cell.p,
            **dict(zip(("ratio", "ci_low", "ci_high"), _numbers(cell.step), strict=True)),
            **dict(zip(COLUMNS[-3:], _numbers(cell.first_step), strict=True)),
        }
    for one in found.unmatched:
        sides = [side for side, of in (("a", found.a), ("b", found.b)) if one.side in ("", of.label)]
        empty: dict[str, Any] = dict.fromkeys(COLUMNS)
        who = {f"{side}_{field}": getattr(one.cell, field) for side in sides for field in FIELDS}
        yield {**empty, **who, "verdict": "unmatched", "reason": one.why}


def _numbers(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    interval = estimate.interval
    return (estimate.value, interval.low, interval.high) if interval else (estimate.value, None, None)


def _json(found: Comparison) -> str:
    data = {
        "a": _side(found.a),
        "b": _side(found.b),
        "paired": found.paired,
        "floor": found.floor,
        "basis": found.basis,
        "unlike": list(found.unlike),
        "cells": list(_flat(found)),
    }
    return json.dumps(data, indent=1) + "\n"


def _side(side: Side) -> dict[str, Any]:
    return {"run": side.run.facts.id, "chosen": dict(side.choice.fields), "label": side.label}


def _line(found: Comparison) -> str:
    """Return what fits a pull request: how many of which verdict, and the one that is farthest off."""
    counts = [f"{count} {verdict}" for verdict in VERDICTS if (count := found.count(verdict))]
    if found.unmatched:
        counts.append(f"{len(found.unmatched)} without a counterpart")
    told = [cell for cell in found.cells if cell.verdict in ("slower", "faster")]
    worst = max(told, key=lambda cell: cell.step.value, default=None)
    most = f"; {'slowest' if worst.verdict == 'slower' else 'least gain'}: {_change(worst)}" if worst else ""
    return f"{found.b.label} against {found.a.label}: {', '.join(counts)}{most}\n"


def _change(cell: Compared) -> str:
    low, high = (cell.step.interval.low, cell.step.interval.high) if cell.step.interval else (cell.step.value,) * 2
    return f"{cell.what} {cell.step.value - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"


def compare_folders(
    a: RunFolder, b: RunFolder, chosen: tuple[Choice, Choice] = (Choice(), Choice()), format: str | None = None
) -> "Comparison":
    """Print how the chosen cells of run `b` compare with those of run `a`; return what was found."""
    from harness.compare import compare as comparing
    # moved

    run_a = load(a)
    found = comparing.compare(run_a, run_a if a.path == b.path else load(b), chosen)
    if format is not None:
        sys.stdout.write(render(found, format))
        return found
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = UNFOLDED
    show(found, console)
    return found
