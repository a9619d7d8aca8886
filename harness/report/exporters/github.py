"""A comment for a pull request on GitHub: what a reviewer reads first, all else folded, never longer than allowed.

It has the sentences of the summary, one table of all modes × all works, and what failed with its reasons. Each table of
the report is behind a click. What does not fit is cut from the end, and the last sentence says what and where it is.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from harness.format import NONE, duration, times
from harness.plan.label import name
from harness.report.exporters import markdown
from harness.report.exporters.comment import Part, details, within_limit
from harness.report.exporters.markdown import escape, grid, legend, line
from harness.report.summary import about_run, summary, versions
from harness.report.tables.all import Tables
from harness.report.tables.paths import paths
from harness.report.tables.row import Row
from harness.report.tables.steps import StepRow
from harness.report.view import View, view
from harness.report.words import count, time
from harness.terminal import shell
from harness.validity.results import Run

BRIEF: Final = ("started", "profile", "processor", "accelerator", "samestep")  # facts below the title
WORK: Final = ("workload", "size", "optimizer", "precision", "device", "batch")  # what a cell computes
NAMED: Final = 20  # cells named with one reason
QUIET: Final = ("ok", "skipped")  # statuses that nobody has to look at

Work = tuple[str, ...]


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return no files: this format is only made on request."""
    return {}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the comment; `table` has no effect."""
    return comment(run, tables)


def comment(run: Run, tables: Tables) -> str:
    """Return the report as Markdown that fits into one comment."""
    rows = tables.steps.rows
    bad = [row for row in tables.timed if row.status not in QUIET]
    skipped = [row for row in tables.timed if row.status == "skipped"]
    shown = [view(table, wide=True) for table in tables.shown(run) if table.rows]
    parts = [_head(run, tables)]
    if run.is_timed and rows:
        parts.append(_overview(rows))
    if bad:
        parts.append(Part(name="what failed", head="#### Failed or invalid\n", lines=_reasons(bad)))
    if skipped:
        parts.append(details("what was skipped", f"Skipped: {count(len(skipped), 'cell')}", _reasons(skipped)))
    if found := paths(tables.inference.rows):
        head, lines, notes = markdown.matrix_lines(found)
        title = "Paths: engines by exporters"
        parts.append(details("the paths", title, lines, head=head, tail="".join(f"\n\n{note}" for note in notes)))
    parts += [*map(_details, shown), _about(run)]
    command = shell.command(shell.NAME, "report", run.facts.id, "--format", "md")
    return within_limit(parts, f"This prints all of it: `{command}`")


def _head(run: Run, tables: Tables) -> Part:
    facts = {fact.name: fact.value for fact in about_run(run)}
    brief = " · ".join(escape(facts[name]) for name in BRIEF if name in facts)
    sentences = tuple(f"- {escape(sentence)}" for sentence in summary(run, tables))
    return Part(name="the summary", head=f"### samestep: {escape(run.facts.id)}\n\n{brief}\n", lines=sentences)


def _overview(rows: Sequence[StepRow]) -> Part:
    """Return one table: a row for each mode, a column for each work, in each field the step and its ratio."""
    works = list(dict.fromkeys(map(_work, rows)))
    fields: dict[tuple[str, ...], dict[Work, StepRow]] = {}
    has_allocators = len({row.cell.allocator for row in rows}) > 1
    for row in rows:
        mode = f"{row.cell.mode}, inference" if row.is_inference else row.cell.mode
        names = (row.title, mode, *((row.cell.allocator,) if has_allocators else ()))
        fields.setdefault(names, {})[_work(row)] = row
    shortest = _shortest(rows)
    headings = ["framework", "mode", *(("allocator",) if has_allocators else ()), *_headings(works)]
    count_of_names = len(headings) - len(works)
    lines = (line([*map(escape, at), *(_field(of.get(work), shortest) for work in works)]) for at, of in fields.items())
    return Part(
        name="the overview",
        head="#### Time per step\n\n"
        "Behind a time: how many times the shortest step of its column it is. Such a ratio is no verdict.\n\n"
        f"{line(list(map(escape, headings)))}\n{line(['---'] * count_of_names + ['---:'] * len(works))}",
        lines=tuple(lines),
    )


def _work(row: Row) -> Work:
    cell = row.cell
    batch = f"batch {cell.batch}" if cell.batch else ""
    return (*(getattr(cell, field) for field in WORK[:-1]), batch)


def _headings(works: Sequence[Work]) -> list[str]:
    """Return a heading for each work: its fields that differ, the workload always when nothing does."""
    differs = [len({work[at] for work in works}) > 1 for at in range(len(WORK))]
    differs[0] |= not any(differs)
    return [" ".join(part for part, shown in zip(work, differs, strict=True) if shown and part) for work in works]


def _shortest(rows: Iterable[StepRow]) -> dict[tuple[Work, bool], float]:
    """Return the shortest step of each work in ns; inference is apart from training."""
    shortest: dict[tuple[Work, bool], float] = {}
    for row in rows:
        if row.step_ns is not None and row.status == "ok":
            key = _work(row), row.is_inference
            shortest[key] = min(shortest.get(key, row.step_ns.value), row.step_ns.value)
    return shortest


def _field(row: StepRow | None, shortest: Mapping[tuple[Work, bool], float]) -> str:
    if row is None:
        return NONE
    if row.step_ns is None or row.status != "ok":
        return row.status if row.status != "ok" else NONE
    if row.step_ns.is_wide:
        return time(row.step_ns)
    ratio = row.step_ns.value / shortest[_work(row), row.is_inference]
    return f"{duration(row.step_ns.value)} ({times(ratio)})"


def _reasons(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return a line for each status with its reason, and the cells that have it."""
    cells: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        cells.setdefault((row.status, row.reason), []).append(name(row.cell))
    return tuple(
        f"- **{status}**: {escape(', '.join(_named(names)))}" + (f": {escape(reason)}" if reason else "")
        for (status, reason), names in cells.items()
    )


def _named(names: Sequence[str]) -> list[str]:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return [*names[:NAMED], *more]


def _details(view: View) -> Part:
    head, below, *rows = grid(view)
    about = f"{view.about} {escape(view.common_sentence)}".strip()
    tail = [*map(escape, view.remarks), *([legend(view)] if view.flags else [])]
    return details(
        view.title,
        f"{html.escape(view.title)}: {count(len(rows), 'row')}",
        rows,
        head=f"{about}\n\n{head}\n{below}",
        tail="".join(f"\n\n{paragraph}" for paragraph in tail),
    )


def _about(run: Run) -> Part:
    lines = [f"- {escape(fact.name)}: {escape(fact.value)}" for fact in (*about_run(run), *versions(run))]
    exported = markdown.exports(run).rstrip()
    return details("the facts of the run", "About this run", lines, tail=f"\n\n{exported}" if exported else "")
