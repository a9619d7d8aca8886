r"""LaTeX: the tables for a paper, by booktabs, to be read with \input.

An interval stands behind its value in brackets; where it is too wide for one number, it stands alone, as in the other
formats. The letters of flags are raised behind the name of a row, their meaning and all reasons are below the table.
A table that is too wide for a page is split by columns, one that is too long goes on over pages by longtable. Values
that all rows share are in the caption. The notes are plain text in \footnotesize, without a package for notes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.format import NONE
from harness.report.exporters import values
from harness.report.exporters.latex_text import breakable, comment, escaped, number
from harness.report.tables.all import Tables
from harness.report.view import Heading, ShownValue, View, ViewRow, view
from harness.validity.results import Run

WIDTH: Final = 108  # characters of a line of \footnotesize on A4 or letter paper with margins of 25 mm
LONGEST: Final = 45  # lines of a table on one page; a longer one goes on over pages
GAP: Final = 2  # characters between columns
RAISED: Final = 0.7  # width of a raised character
PROSE_GAP: Final = 0.02  # of the width of a line, between columns of sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the parts of one table have in common."""

    view: View
    run: Run
    is_grouped: bool  # the framework is a heading above its modes
    marks: Mapping[str, int]  # number of each note, by its text

    @property
    def names(self) -> tuple[Heading, ...]:
        """The headings of the columns that name a row."""
        return self.view.names[1:] if self.is_grouped else self.view.names


def files(run: Run, tables: Tables) -> Mapping[str, str]:
    r"""Return one file per table; of a table without rows it is a comment, so that \input never fails."""
    return {f"latex/{table.name}.tex": render(run, tables, table.name) for table in tables}


def render(run: Run, tables: Tables, table: str | None) -> str:
    """Return the named table; otherwise all tables that people see and that have rows. Raises KeyError."""
    chosen = [tables.named(table)] if table else [each for each in tables.shown(run) if each.rows]
    head = [
        f"% samestep {values.version()}, run {comment(run.facts.id)}. LaTeX of 2020 or newer; any engine.",
        rf"% Needs \usepackage{{booktabs}} and, for a table of more than {LONGEST} lines, \usepackage{{longtable}}.",
        *([f"% {comment(run.caveat)}"] if run.caveat else []),
    ]
    return (
        "\n".join(head)
        + "\n"
        + "".join(f"\n{text}" for each in chosen for text in _table(view(each, wide=False, paper=True), run))
    )


def _table(view: View, run: Run) -> Iterator[str]:
    """Yield the parts of one table."""
    if not view.rows:
        yield f"% {view.title}: this run has no such records.\n"
        return
    if view.is_prose:
        yield _prose(view, run)
        return
    notes = dict.fromkeys(row.note for row in view.notes)
    layout = Layout(
        view=view,
        run=run,
        is_grouped=len(view.names) > 1,
        marks={note: at for at, note in enumerate(notes, start=1)},
    )
    parts = _parts(layout)
    for at, columns in enumerate(parts, start=1):
        yield _part(layout, columns, at, len(parts))


def _prose(view: View, run: Run) -> str:
    """Return a table of sentences: columns as wide as their texts ask for, in which these go on in the next line."""
    headings = [*view.names, *view.values]
    rows = [[value.text for value in (*row.names, *row.values)] for row in view.rows]
    shares = [
        max(len(heading.text), math.sqrt(max(len(row[at]) for row in rows))) for at, heading in enumerate(headings)
    ]
    free = 1 - PROSE_GAP * (len(headings) - 1)
    spec = "".join(rf"p{{{free * share / sum(shares):.3f}\linewidth}}" for share in shares)
    body = [_line([rf"{{\raggedright {breakable(text)}\par}}" for text in row]) for row in rows]
    caption = rf"\caption[{escaped(view.title)}]{{{breakable(f'{view.title}. {view.about} Run {run.facts.id}.')}}}"
    head = [_line([escaped(heading.text) for heading in headings])]
    notes = [rf"{breakable(text)}\par" for text in (run.caveat, *view.remarks) if text]
    return _long(rf"{caption}\label{{tab:samestep-{view.name}}}", rf"@{{}}{spec}@{{}}", head, body, notes)


def _parts(layout: Layout) -> list[list[int]]:
    """Return the positions of the values in each part, so that every part fits on a page."""
    view = layout.view
    raised = RAISED * max(len(_marks(layout, row)) for row in view.rows)
    names = raised + sum(_name_width(layout, at) + GAP for at in range(len(layout.names)))
    parts: list[list[int]] = [[]]
    free = WIDTH - names
    for at, heading in enumerate(view.values):
        if heading.is_flags:
            continue
        texts = [heading.text, heading.unit, *(_plain(row, at) for row in view.rows)]
        width = max(map(len, texts)) + GAP
        if parts[-1] and width > free:
            parts.append([])
            free = WIDTH - names
        parts[-1].append(at)
        free -= width
    return parts


def _name_width(layout: Layout, at: int) -> int:
    shift = int(layout.is_grouped)
    texts = [layout.names[at].text, *(row.names[at + shift].text for row in layout.view.rows)]
    return max(map(len, texts)) + (3 if at == 0 else 0)


def _plain(row: ViewRow, at: int) -> str:
    value = row.values[at]
    return "" if row.is_hole else f"{value.text} [{_ends(value)}]" if value.interval else value.text


def _ends(value: ShownValue) -> str:
    """Return the ends of an interval without the sign that its value has."""
    return value.interval.replace("×", "")


def _part(layout: Layout, columns: Sequence[int], at: int, count: int) -> str:
    """Return one part of a table: the whole of it, or those of its columns that fit on a page."""
    view = layout.view
    paired = [any(row.values[column].interval for row in view.rows) for column in columns]
    spec = "l" * len(layout.names) + "".join(r"r@{\,}l" if pair else "r" for pair in paired)
    width = len(layout.names) + len(columns) + sum(paired)
    body = list(_body(layout, columns, paired, width))
    head = _head(layout, columns, paired)
    notes = _notes(layout) if at == count else []
    label = f"tab:samestep-{view.name}" + (f"-{at}" if at > 1 else "")
    caption = rf"\caption[{escaped(view.title)}]{{{_caption(layout, at, count)}}}\label{{{label}}}"
    make = _long if len(body) > LONGEST else _float
    return make(caption, rf"@{{}}{spec}@{{}}", head, body, notes)


def _float(caption: str, spec: str, head: Sequence[str], body: Sequence[str], notes: Sequence[str]) -> str:
    below = [r"\par\smallskip\raggedright", *notes] if notes else []
    lines = [
        r"\begin{table}[htbp]", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}", caption, r"\par\smallskip",
        rf"\begin{{tabular}}{{{spec}}}", r"\toprule", *head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
        *below, r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _long(caption: str, spec: str, head: Sequence[str], body: Sequence[str], notes: Sequence[str]) -> str:
    below = [r"\par\noindent\raggedright", *notes, r"\par"] if notes else []
    lines = [
        r"\begingroup\footnotesize\setlength{\tabcolsep}{4pt}\setlength{\LTcapwidth}{\linewidth}",
        rf"\begin{{longtable}}{{{spec}}}", caption + r"\\",
        r"\toprule", *head, r"\midrule\endfirsthead", r"\toprule", *head, r"\midrule\endhead",
        r"\midrule\endfoot", r"\bottomrule\endlastfoot", *body, r"\end{longtable}", *below, r"\endgroup",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _caption(layout: Layout, at: int, count: int) -> str:
    view = layout.view
    part = f" Part {at} of {count}." if count > 1 else ""
    if at > 1:
        return f"{escaped(view.title)}.{part} The caption and the notes of the other parts hold here, too."
    brackets = any(value.interval for row in view.rows for value in row.values)
    said = [
        f"{view.title}.{part}",
        view.about,
        "In brackets: the 95 % interval." if brackets else "",
        view.common_sentence,
        f"Run {layout.run.facts.id}.",
    ]
    return breakable(" ".join(filter(None, said)))


def _head(layout: Layout, columns: Sequence[int], paired: Sequence[bool]) -> list[str]:
    """Return the rows of the headings: the names of the columns, and their units if there are any."""
    headings = [layout.view.values[column] for column in columns]
    rows = [[heading.text for heading in layout.names], [""] * len(layout.names)]
    names = [escaped(text) for text in rows[0]]
    tops = [_over(heading.text, pair) for heading, pair in zip(headings, paired, strict=True)]
    units = [_over(heading.unit, pair) for heading, pair in zip(headings, paired, strict=True)]
    lines = [_line([*names, *tops])]
    if any(heading.unit for heading in headings):
        lines.append(_line([*rows[1], *units]))
    return lines


def _over(text: str, paired: bool) -> str:
    return rf"\multicolumn{{2}}{{c}}{{{escaped(text)}}}" if paired else escaped(text)


def _body(layout: Layout, columns: Sequence[int], paired: Sequence[bool], width: int) -> Iterator[str]:
    previous: ViewRow | None = None
    for row in layout.view.rows:
        if row.is_inference and (previous is None or not previous.is_inference):
            yield _heading(r"\textit{Inference}", width, first=previous is None)
        if layout.is_grouped and (previous is None or previous.names[0] != row.names[0]):
            yield _heading(rf"\textbf{{{escaped(row.names[0].text)}}}", width, first=previous is None)
        yield _row(layout, row, columns, paired)
        previous = row


def _heading(text: str, width: int, *, first: bool) -> str:
    space = "" if first else r"\addlinespace" + "\n"
    return rf"{space}\multicolumn{{{width}}}{{@{{}}l}}{{{text}}}\\"


def _row(layout: Layout, row: ViewRow, columns: Sequence[int], paired: Sequence[bool]) -> str:
    names = [escaped(name.text) for name in row.names[int(layout.is_grouped) :]]
    raised = rf"\textsuperscript{{{escaped(marks)}}}" if (marks := _marks(layout, row)) else ""
    names[0] = (r"\quad " if layout.is_grouped else "") + names[0] + raised
    fields = []
    for at, (column, pair) in enumerate(zip(columns, paired, strict=True)):
        value = row.values[column]
        text = number(value.text)
        if row.is_hole:
            text = escaped(row.status) if at == 0 else ""
        elif row.is_struck:
            text = rf"\textit{{{text}}}"
        interval = f"{{[}}{number(_ends(value))}{{]}}" if value.interval and not row.is_hole else ""
        fields += [text, interval] if pair else [text]
    return _line([*names, *fields])


def _marks(layout: Layout, row: ViewRow) -> str:
    """Return the letters of the row's flags and the number of its note."""
    flags = [
        value.text
        for heading, value in zip(layout.view.values, row.values, strict=True)
        if heading.is_flags and value.text != NONE and not row.is_hole
    ]
    marks = [str(layout.marks[row.note])] if row.note in layout.marks else []
    return " ".join([*flags, *marks])


def _notes(layout: Layout) -> list[str]:
    """Return what stands below the table: the caveat, the reasons by number, the flags by letter, the remarks."""
    view = layout.view
    reasons = [rf"\textsuperscript{{{at}}}\,{breakable(note)}" for note, at in layout.marks.items()]
    flags = [rf"\textsuperscript{{{flag.letter}}}\,{breakable(flag.sentence)}" for flag in view.flags]
    said = [layout.run.caveat] if layout.run.caveat else []
    struck = ["In italics: invalid, not ranked."] if any(row.is_struck and not row.is_hole for row in view.rows) else []
    sentences = map(breakable, (*said, *view.remarks, *struck))
    texts = [*sentences, *(text.rstrip(".") + "." for text in (*reasons, *flags))]
    return [rf"{text}\par" for text in texts]


def _line(fields: Sequence[str]) -> str:
    return " & ".join(fields) + r"\\"
