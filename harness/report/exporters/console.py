"""The tables in a terminal, with rich; without colour and 80 columns wide when the output is not a terminal."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from harness.format import NONE
from harness.report.exporters.fitting import Column, Layout, fitted, left_out_sentence
from harness.report.view import View, ViewRow

WRONG, QUIET = "red", "dim"


def print_table(view: View, console: Console) -> None:
    """Print one table with its notes and the legend of its flags."""
    console.print(Text.assemble((f"{view.title}. ", "bold"), (f"{view.about} {view.common_sentence}".strip(), QUIET)))
    if not view.rows:
        console.print(Text("This run has no such records."), end="\n\n")
        return
    print_grid(view, console)
    for row in view.notes:
        console.print(Text(f"{row.name}: {row.note}", style=_colour(row)))
    for remark in view.remarks:
        console.print(Text(remark, style=QUIET))
    for flag in view.flags:
        console.print(Text(f"{flag.letter}  {flag.name}: {flag.sentence}", style=QUIET))
    console.print()


def print_grid(view: View, console: Console) -> None:
    """Print one table that has rows, without its notes; sentences, and what has no room for a column, row by row."""
    if view.is_prose:
        _print_prose(view, console)
        return
    columns = _columns(view)
    names = len(columns) - len(view.values)
    layout = fitted(columns, console.width, first_out=range(len(columns) - 1, names, -1))
    if layout is None:
        _print_rows(view, console)
        return
    console.print(_grid(view, columns, layout))
    if sentence := left_out_sentence(columns, layout, console.width):
        console.print(Text(sentence, style=QUIET))


def print_sentences(sentences: Iterable[str], console: Console, command: str = "") -> None:
    """Print the summary of the run, one sentence per line; `command`, which ends one, unbroken, to be copied."""
    for sentence in sentences:
        if command and sentence.endswith(command):
            console.print(Text(sentence.removesuffix(command).rstrip()))
            console.print(Text(command), soft_wrap=True)
        else:
            console.print(Text(sentence))


def _columns(view: View) -> list[Column]:
    """Return the columns of the grid: in a group without the framework, which is the heading above its modes."""
    is_grouped = len(view.names) > 1
    rows = [list(_fields(row, is_grouped=is_grouped)) for row in view.rows]
    names = view.names[1:] if is_grouped else view.names
    columns = []
    for at, heading in enumerate((*names, *view.values)):
        title = f"{heading.text}\n{heading.unit}" if heading.unit else heading.text
        above = [row.names[0].text for row in view.rows] if is_grouped and at == 0 else []
        texts = (*above, *(fields[at].plain for fields in rows))
        columns.append(Column(title=title, texts=texts, folds=at < len(names)))
    return columns


def _grid(view: View, columns: Sequence[Column], layout: Layout) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    high = max(columns[at].title.count("\n") for at in layout.shown)
    for at, width in zip(layout.shown, layout.widths, strict=True):
        justify: Literal["left", "right"] = "left" if columns[at].folds else "right"
        title = Text("\n" * (high - columns[at].title.count("\n")) + columns[at].title)
        grid.add_column(title, justify=justify, width=width, overflow="fold")  # a folded text begins in its row
    is_grouped = len(view.names) > 1  # the framework is a heading above its modes
    previous: ViewRow | None = None
    for row in view.rows:
        if previous is not None and row.is_inference != previous.is_inference:
            grid.add_section()
            grid.add_row(Text("Inference", style=QUIET))
        if is_grouped and (previous is None or previous.names[0] != row.names[0]):
            grid.add_row(Text(row.names[0].text, style="bold"))
        fields = list(_fields(row, is_grouped=is_grouped))
        grid.add_row(*(fields[at] for at in layout.shown))
        previous = row
    return grid


def _print_rows(view: View, console: Console) -> None:
    """Print a table without room for columns: the name of each row, and below it a line for each value."""
    for row in view.rows:
        console.print(Text(row.name, style="bold"))
        if row.is_hole:
            console.print(Text(f"  {row.status}", style=_colour(row)))
            continue
        for heading, value in zip(view.values, row.values, strict=True):
            console.print(Text(f"  {heading.text} {heading.unit}".rstrip()))
            console.print(Text(f"    {value.text}", style="strike" if row.is_struck else ""))


def _print_prose(view: View, console: Console) -> None:
    """Print a table of sentences: the name of each row, and below it what it has; commands unbroken, to be copied."""
    for row in view.rows:
        console.print(Text(row.name, style="bold"))
        for heading, value in zip(view.values, row.values, strict=True):
            if value.text == NONE:
                continue
            text = value.text if heading.is_code else f"{heading.text}: {value.text}"
            width = len(text) if heading.is_code else max(1, console.width - 2)
            for line in textwrap.wrap(text, width, break_on_hyphens=False):
                console.print(Text(f"  {line}"), soft_wrap=True)


def _colour(row: ViewRow) -> str:
    return QUIET if row.status == "skipped" else WRONG


def _fields(row: ViewRow, *, is_grouped: bool) -> Iterable[Text]:
    """Yield the cells of one row; in a group without the framework, which is the heading above."""
    strike = "strike" if row.is_struck else ""
    names = row.names[1:] if is_grouped else row.names
    for position, name in enumerate(names):
        yield Text(f"  {name.text}" if is_grouped and position == 0 else name.text, style=strike)
    for position, value in enumerate(row.values):
        if row.is_hole:
            yield Text(row.status if position == 0 else "", style=_colour(row))
        else:
            yield Text(value.text, style=strike)
