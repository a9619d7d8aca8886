"""A comparison as text: a table in the terminal, CSV, Markdown, JSON, or a line for a pull request."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare import installed
from harness.compare.choice import FIELDS, Choice
from harness.compare.compare import NOT_COMPARABLE, Compared, Comparison, compare
from harness.compare.match import Side, Unmatched
from harness.format import to_json
from harness.plan.label import name
from harness.report.exporters.comment import Part, details, within_limit
from harness.report.exporters.csv import CAVEAT
from harness.report.exporters.csv import field as csv_field
from harness.report.exporters.fitting import Column, Layout, fitted, left_out_sentence
from harness.report.exporters.markdown import escape, line
from harness.stats.estimate import FEW_BLOCKS, Estimate
from harness.store.folder import RunFolder
from harness.terminal import streams as terminal
from harness.validity.results import load

FORMATS: Final = ("csv", "md", "github", "json", "line")
OPEN: Final = ("slower", "faster", "undetermined", NOT_COMPARABLE)  # verdicts that a reviewer sees without a click
VERDICTS: Final = ("slower", "faster", "same", "within", "undetermined", NOT_COMPARABLE)
COLUMNS: Final = (
    *(f"{side}_{field}" for side in "ab" for field in FIELDS),
    *("verdict", "reason", "a_step_us", "b_step_us", "ratio", "ci_low", "ci_high", "blocks", "p"),
    *("first_step_ratio", "first_step_ci_low", "first_step_ci_high"),
)
FOLDED: Final = (0, 5)  # columns of text: the cell, and the verdict with its reason
FIRST_OUT: Final = (4, 1, 2)  # columns that a narrow terminal lacks: the ratio and the verdict are the answer
UNFOLDED: Final = 200  # characters of a line in a file or a pipe, which has no width of its own


def compare_folders(
    a: RunFolder,
    b: RunFolder,
    chosen: tuple[Choice, Choice] = (Choice(), Choice()),
    *,
    threshold: float | None = None,
    format: str | None = None,
) -> Comparison:
    """Print how the chosen cells of run `b` compare with those of run `a`; return the comparison."""
    run_a = load(a)
    is_one_run = a.path.resolve() == b.path.resolve()
    comparison = compare(run_a, run_a if is_one_run else load(b), chosen, threshold)
    if format is not None:
        terminal.document(render(comparison, format))
        return comparison
    console = terminal.console()
    if not console.is_terminal:
        console.width = UNFOLDED
    show(comparison, console)
    return comparison


def show(comparison: Comparison, console: Console) -> None:
    """Print the comparison for a person."""
    rows = list(_rows(comparison))
    columns = [
        Column(title=heading, texts=tuple(row[at] for row in rows), folds=at in FOLDED)
        for at, heading in enumerate(_headings(comparison))
    ]
    layout = fitted(columns, console.width, first_out=FIRST_OUT)
    if layout is None:
        for row in rows:
            print("\n".join(f"{column.title}: {text}" for column, text in zip(columns, row, strict=True)))
    else:
        console.print(_grid(columns, layout, rows))
        if left_out := left_out_sentence(columns, layout, console.width):
            print(left_out)
    for sentence in _sentences(comparison):
        print(sentence)


def _grid(columns: Sequence[Column], layout: Layout, rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, width in zip(layout.shown, layout.widths, strict=True):
        justify: Literal["left", "right"] = "left" if columns[at].folds else "right"
        table.add_column(Text(columns[at].title), justify=justify, width=width, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[at]) for at in layout.shown))
    return table


def render(comparison: Comparison, format: str) -> str:
    """Return the comparison as text in one of `FORMATS`; raises KeyError for another."""
    makers = {"csv": _csv, "md": _markdown, "github": _github, "json": _json, "line": _line}
    return makers[format](comparison)


def _headings(comparison: Comparison) -> tuple[str, ...]:
    a, b = comparison.a.label, comparison.b.label
    return ("cell", f"{a} µs", f"{b} µs", "step ratio, 95 %", "first step ratio, 95 %", f"{b} is")


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    for cell in comparison.cells:
        steps = (f"{cell.a_step_ns / 1e3:.4g}", f"{cell.b_step_ns / 1e3:.4g}")
        outcome = f"{cell.verdict}: {cell.why}" if cell.why and cell.why not in comparison.basis else cell.verdict
        yield (cell.what, *steps, _shown(cell.step), _shown(cell.first_step), outcome)
    if comparison.together and comparison.first_steps_together and len(comparison.cells) > 1:
        yield ("all together", "", "", _shown(comparison.together), _shown(comparison.first_steps_together), "")


def _sentences(comparison: Comparison) -> Iterator[str]:
    yield from _remarks(comparison)
    yield from _without(comparison)


def _remarks(comparison: Comparison) -> Iterator[str]:
    a, b = comparison.a.label, comparison.b.label
    blocks = min(cell.step.count for cell in comparison.cells)
    if comparison.caveat:
        yield comparison.caveat
    yield f"Ratios are {b} / {a}. {comparison.basis}"
    if blocks < FEW_BLOCKS and comparison.threshold is None:
        yield (
            f"A verdict needs {FEW_BLOCKS} blocks, there are {blocks}: a first look, without verdicts."
            " Whether a difference is larger than 10 %, --threshold 10% says with fewer."
        )
    if (
        comparison.launch_a_s
        and comparison.launch_b_s
        and comparison.a.run.facts.launcher != comparison.b.run.facts.launcher
    ):
        yield (
            f"Outside the protocol a replicate takes {comparison.launch_a_s:.2f} s ({a}) and"
            f" {comparison.launch_b_s:.2f} s ({b})."
        )
    interrupted = {
        (side.run.facts.id, block): None for side in (comparison.a, comparison.b) for block in side.run.incomplete
    }
    for run_id, block in interrupted if comparison.paired else ():
        yield f"Block {block} of {run_id} was interrupted: nothing is paired in it."
    if sentence := installed.sentence(comparison.a.run.facts, comparison.b.run.facts):
        yield sentence
    for sentence in comparison.unlike:
        yield f"Not the same software or variables, which explains part of the ratio: {sentence}."


def _without(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each cell that has no counterpart."""
    for cell in comparison.unmatched:
        yield f"Not compared: {_unmatched(cell)}."


def _unmatched(unmatched: Unmatched) -> str:
    where = f" ({unmatched.side})" if unmatched.side else ""
    return f"{name(unmatched.cell)}{where}: {unmatched.why.rstrip('.')}"


def _shown(estimate: Estimate) -> str:
    interval = estimate.interval
    if interval and interval.is_wide:
        return f"{interval.low:.3f} to {interval.high:.3f}"
    return f"{estimate.value:.3f}" + (f" ({interval.low:.3f} to {interval.high:.3f})" if interval else "")


def _markdown(comparison: Comparison) -> str:
    grid = "\n".join((*_grid_head(comparison), *map(_grid_line, _rows(comparison))))
    remarks = "\n".join(f"- {escape(sentence)}" for sentence in _sentences(comparison))
    return f"{_title(comparison)}\n\n{escape(_line(comparison))}\n\n{grid}\n\n{remarks}\n"


def _github(comparison: Comparison) -> str:
    """Return the comparison as a comment on GitHub: what differs is open, all else folded, and it is never too long."""
    head = "\n".join(_grid_head(comparison))
    rows = list(zip(_rows(comparison), [*comparison.cells, None], strict=False))
    open_ = [_grid_line(row) for row, cell in rows if cell is None or cell.verdict in OPEN]
    folded = [_grid_line(row) for row, cell in rows if cell is not None and cell.verdict not in OPEN]
    remarks, unmatched = (
        tuple(f"- {escape(sentence)}" for sentence in said) for said in (_remarks(comparison), _without(comparison))
    )
    summary = f"{len(folded)} {'cell' if len(folded) == 1 else 'cells'} without a difference that is told"
    parts = [
        Part(name="the summary", head=f"##{_title(comparison)}\n\n{escape(_line(comparison))}"),
        *([Part(name="what differs", head=head, lines=tuple(open_))] if open_ else []),
        Part(name="the remarks", head=remarks[0], lines=remarks[1:]),
        *([details("what does not differ", summary, folded, head=head)] if folded else []),
        *([details("what was not compared", f"Not compared: {len(unmatched)}", unmatched)] if unmatched else []),
    ]
    return within_limit(parts, "`samestep compare` with `--format md` and the same runs prints all of it.")


def _title(comparison: Comparison) -> str:
    return f"## {escape(comparison.a.name)} against {escape(comparison.b.name)}"


def _grid_head(comparison: Comparison) -> tuple[str, str]:
    return _grid_line(_headings(comparison)), line(("---", "---:", "---:", "---:", "---:", "---"))


def _grid_line(fields: Sequence[str]) -> str:
    return line([escape(field) for field in fields])


def _csv(comparison: Comparison) -> str:
    text = io.StringIO()
    last = {CAVEAT: comparison.caveat} if comparison.caveat else {}
    writer = csv.DictWriter(text, (*COLUMNS, *last), lineterminator="\n")
    writer.writeheader()
    for row in _flat(comparison):
        writer.writerow({key: csv_field(value) for key, value in {**row, **last}.items()})
    return text.getvalue()


def _flat(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell by `COLUMNS`; None where there is no number."""
    for cell in comparison.cells:
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
    for unmatched in comparison.unmatched:
        labels = (("a", comparison.a.label), ("b", comparison.b.label))
        sides = [side for side, label in labels if unmatched.side in ("", label)]
        empty: dict[str, Any] = dict.fromkeys(COLUMNS)
        fields = {f"{side}_{field}": getattr(unmatched.cell, field) for side in sides for field in FIELDS}
        yield {**empty, **fields, "verdict": "unmatched", "reason": unmatched.why}


def _numbers(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    interval = estimate.interval
    return (estimate.value, interval.low, interval.high) if interval else (estimate.value, None, None)


def _json(comparison: Comparison) -> str:
    data = {
        "a": _side(comparison.a),
        "b": _side(comparison.b),
        "paired": comparison.paired,
        "floor": comparison.floor,
        "threshold": comparison.threshold,
        "basis": comparison.basis,
        "unlike": list(comparison.unlike),
        **({CAVEAT: comparison.caveat} if comparison.caveat else {}),
        "cells": list(_flat(comparison)),
    }
    return to_json(data)


def _side(side: Side) -> dict[str, Any]:
    return {"run": side.run.facts.id, "chosen": dict(side.choice.fields), "label": side.label}


def _line(comparison: Comparison) -> str:
    """Return a line for a pull request: the number of each verdict, and the slowest cell or the smallest gain."""
    counts = [f"{count} {verdict}" for verdict in VERDICTS if (count := comparison.count(verdict))]
    if comparison.unmatched:
        counts.append(f"{len(comparison.unmatched)} without a counterpart")
    different = [cell for cell in comparison.cells if cell.verdict in ("slower", "faster")]
    worst = max(different, key=lambda cell: cell.step.value, default=None)
    most = f"; {'slowest' if worst.verdict == 'slower' else 'least gain'}: {_change(worst)}" if worst else ""
    told = f"{comparison.b.label} against {comparison.a.label}: {', '.join(counts)}{most}"
    return f"{comparison.caveat} {told}\n".lstrip()


def _change(cell: Compared) -> str:
    low, high = (cell.step.interval.low, cell.step.interval.high) if cell.step.interval else (cell.step.value,) * 2
    return f"{cell.what} {cell.step.value - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})"
