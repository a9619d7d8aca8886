"""The tables as Markdown, one file each, and an index page with links to them.

Whatever a run brings with it is escaped: names, reasons, versions. The tables' own sentences are not.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from harness.format import NONE
from harness.report.summary import about_run, summary
from harness.report.tables.all import Tables
from harness.report.tables.models import exported
from harness.report.tables.paths import Path, Paths, paths
from harness.report.view import Heading, View, ViewRow, view
from harness.validity.results import Run

MARKS: Final = re.compile(
    r"[\\|*_`<>\[\]~&$]"
)  # of CommonMark and GitHub: emphasis, code, links, tables, entities, math
AT_THE_BEGINNING: Final = re.compile(  # headings, lists, rules
    r"^(\d{0,9})(?=[#=]|[-+](?:[-+ ]|$)|[.)](?: |$))"
)
LINKED: Final = re.compile(  # what GitHub makes a link, a mention or an emoji of: behind this comes `APART`
    r"@(?=\w)|#(?=\d)|(?<!\w)gh-(?=\d)|:(?=//)|(?<!\w)www(?=\.)|:(?=[\w+\\-]+:)", re.IGNORECASE
)
APART: Final = "&#8203;"  # a space without width: in an entity, so that a reader of the source sees it
COMMIT: Final = re.compile(r"(?<!\w)(?=\d*[a-f])[0-9a-f]{7,40}(?!\w)", re.IGNORECASE)  # in code it is no link


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    """Return one file per table, and the index page."""
    head = f"# samestep: {escape(run.facts.id)}\n\n{_caveat(run)}"
    return {
        "index.md": index(run, tables),
        **{f"{table.name}.md": head + section(view(table, wide=True)) for table in tables},
    }


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the named table; otherwise all tables that people see, and the exported models."""
    if table:
        return _caveat(run) + section(view(tables.named(table), wide=True))
    sections = [section(view(shown, wide=True)) for shown in tables.shown(run)]
    return _caveat(run) + "\n".join(filter(None, [*sections, matrix(tables), exports(run)]))


def section(view: View) -> str:
    """Return one table as a Markdown section: heading, description, rows, notes, legend."""
    parts = [
        f"## {view.title}",
        f"{view.about} {escape(view.common_sentence)}".strip(),
        "\n".join(grid(view)) if view.rows else "This run has no such records.",
    ]
    notes = [f"- {escape(row.name)}: {escape(row.note)}" for row in view.notes]
    if notes:
        parts.append("\n".join(notes))
    parts += map(escape, view.remarks)
    if view.explanations:
        parts.append("\n".join(f"- **{column.text}**: {column.sentence}" for column in view.explanations))
    if view.flags:
        parts.append(legend(view))
    return "\n\n".join(parts) + "\n"


def legend(view: View) -> str:
    """Return what the letters of the flags mean."""
    return "\n".join(f"- **{flag.letter}** {flag.name}: {escape(flag.sentence)}" for flag in view.flags)


def index(run: Run, tables: Tables) -> str:
    """Return the index page: the summary, links to the tables, and the facts about the run."""
    facts = "\n".join(f"- {fact.name}: {escape(fact.value)}" for fact in about_run(run))
    links = "\n".join(
        f"- [{table.title}]({table.name}.md) ([CSV](csv/{table.name}.csv)): {table.about}"
        for table in tables.shown(run)
    )
    sentences = "\n\n".join(escape(sentence) for sentence in summary(run, tables))
    whole = "The whole report: [index.html](index.html)"
    about = [facts, matrix(tables).rstrip(), exports(run).rstrip()]
    parts = [f"# samestep: {escape(run.facts.id)}", sentences, links, whole, *about]
    return "\n\n".join(part for part in parts if part) + "\n"


def matrix(tables: Tables) -> str:
    """Return the matrix of paths as a Markdown section; empty for a run without inference at a batch."""
    found = paths(tables.inference.rows)
    if found is None:
        return ""
    head, lines, notes = matrix_lines(found)
    return "\n\n".join(("## Paths", "\n".join((head, *lines)), *notes)) + "\n"


def matrix_lines(found: Paths) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the head of the matrix of paths, a line for each engine, and the paragraphs below it."""
    head = "\n".join((line(["engine", *map(escape, found.exporters)]), line(["---"] * (len(found.exporters) + 1))))
    lines = tuple(
        line([escape(row.engine), *("; ".join(map(_path, field)) or NONE for field in row.fields)])
        for row in found.rows
    )
    reasons = "\n".join(f"- {escape(name)}: {escape(reason)}" for name, reason in found.failing)
    return head, lines, tuple(filter(None, (" ".join(map(escape, found.says)), reasons)))


def _path(path: Path) -> str:
    return escape(" ".join(filter(None, (path.name, path.works, path.parity, ", ".join(path.calls)))))


def exports(run: Run) -> str:
    """Return the exported models as a Markdown section; empty when there are none."""
    models = "\n".join(f"- {escape(model.title)}: {escape(model.sentence)}" for model in exported(run))
    return f"## Exported models\n\n{models}\n" if models else ""


def _caveat(run: Run) -> str:
    return f"{run.caveat}\n\n" if run.caveat else ""


def grid(view: View) -> list[str]:
    """Return the lines of the table: its headings, the line below them, and its rows."""
    headings = [*view.names, *view.values]
    return [
        line([_heading(heading) for heading in headings]),
        line(["---:" if heading.is_number else "---" for heading in headings]),
        *(line(_fields(row)) for row in view.rows),
    ]


def _fields(row: ViewRow) -> list[str]:
    names = [escape(name.text) for name in row.names]
    if row.is_struck:
        names = [f"~~{name}~~" for name in names]
    values = [escape(value.text) for value in row.values]
    if row.is_hole and values:
        values = [row.status, *["" for _ in values[1:]]]
    elif row.is_struck:
        values = [f"~~{value}~~" for value in values]
    return [*names, *values]


def _heading(heading: Heading) -> str:
    return f"{heading.text}, {heading.unit}" if heading.unit else heading.text


def line(fields: Sequence[str]) -> str:
    """Return one row of a table; its fields are escaped."""
    return f"| {' | '.join(fields)} |"


def escape(text: str) -> str:
    """Return `text` on one line and without markup; a reason may contain anything that a framework printed.

    A handle, an issue, an address and a commit in it stay text, too: GitHub would notify people and link to them.
    """
    flat = MARKS.sub(r"\\\g<0>", " ".join(text.split()))
    flat = COMMIT.sub(r"`\g<0>`", LINKED.sub(rf"\g<0>{APART}", flat))
    return AT_THE_BEGINNING.sub(r"\1\\", flat)
