"""The tables in a terminal, with rich; without colour and at 80 columns where the output is not a terminal."""

from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from harness.report.view import View, ViewRow

WRONG, QUIET = "red", "dim"


def show(view: View, console: Console) -> None:
    """Print one table with its notes and the legend of its flags."""
    common = f" All rows: {', '.join(view.common)}." if view.common else ""
    console.print(Text.assemble((f"{view.title}. ", "bold"), (view.about + common, QUIET)))
    if not view.rows:
        console.print(Text("No such record in this run."))
        return
    console.print(_grid(view))
    for row in view.notes:
        console.print(Text(f"{row.name}: {row.note}", style=WRONG))
    for flag in view.flags:
        console.print(Text(f"{flag.letter}  {flag.name}: {flag.sentence}", style=QUIET))
    console.print()


def sentences(said: Iterable[str], console: Console) -> None:
    """Print what the run says, a paragraph of its own."""
    for sentence in said:
        console.print(Text(sentence))


def _grid(view: View) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in (*view.names, *view.values):
        title = f"{heading.text}\n{heading.unit}" if heading.unit else heading.text
        justify: Literal["left", "right"] = "right" if heading.is_number else "left"
        grid.add_column(title, justify=justify, vertical="bottom", no_wrap=not heading.is_number)
    previous = ""
    for row in view.rows:
        first = row.names[0].text
        grid.add_row(*_fields(row, repeats=first == previous))
        previous = first
    return grid


def _fields(row: ViewRow, *, repeats: bool) -> Iterable[Text]:
    """Yield the cells; a framework's name is printed once, above its modes."""
    strike = "strike" if row.is_struck else ""
    first, *others = row.names
    yield Text("" if repeats else first.text, style="bold")
    yield from (Text(one.text, style=strike) for one in others)
    for position, one in enumerate(row.values):
        if row.is_hole:
            yield Text(row.status if position == 0 else "", style=WRONG)
        else:
            yield Text(one.text, style=strike)
