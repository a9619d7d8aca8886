"""The tables in a terminal, with rich; without colour and 80 columns wide when the output is not a terminal."""

from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

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
    """Print one table that has rows, without its notes."""
    console.print(_grid(view))


def print_sentences(sentences: Iterable[str], console: Console, command: str = "") -> None:
    """Print the summary of the run, one sentence per line; `command`, which ends one, unbroken, to be copied."""
    for sentence in sentences:
        if command and sentence.endswith(command):
            console.print(Text(sentence.removesuffix(command).rstrip()))
            console.print(Text(command), soft_wrap=True)
        else:
            console.print(Text(sentence))


def _grid(view: View) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    first, *others = (*view.names, *view.values)
    for heading in others if len(view.names) > 1 else (first, *others):
        title = f"{heading.text}\n{heading.unit}" if heading.unit else heading.text
        justify: Literal["left", "right"] = "right" if heading.is_number else "left"
        grid.add_column(Text(title), justify=justify, vertical="bottom", no_wrap=not heading.is_number)
    is_grouped = len(view.names) > 1  # the framework is a heading above its modes
    previous: ViewRow | None = None
    for row in view.rows:
        if previous is not None and row.is_inference != previous.is_inference:
            grid.add_section()
            grid.add_row(Text("Inference", style=QUIET))
        if is_grouped and (previous is None or previous.names[0] != row.names[0]):
            grid.add_row(Text(row.names[0].text, style="bold"))
        grid.add_row(*_fields(row, is_grouped=is_grouped))
        previous = row
    return grid


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
