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
    console.print(Text.assemble((f"{view.title}. ", "bold"), (f"{view.about} {view.told}".strip(), QUIET)))
    if not view.rows:
        console.print(Text("No such record in this run."), end="\n\n")
        return
    console.print(_grid(view))
    for row in view.notes:
        console.print(Text(f"{row.name}: {row.note}", style=_colour(row)))
    for remark in view.remarks:
        console.print(Text(remark, style=QUIET))
    for flag in view.flags:
        console.print(Text(f"{flag.letter}  {flag.name}: {flag.sentence}", style=QUIET))
    console.print()


def sentences(said: Iterable[str], console: Console) -> None:
    """Print what the run says, a paragraph of its own."""
    for sentence in said:
        console.print(Text(sentence))


def _grid(view: View) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    first, *others = (*view.names, *view.values)
    for heading in others if len(view.names) > 1 else (first, *others):
        title = f"{heading.text}\n{heading.unit}" if heading.unit else heading.text
        justify: Literal["left", "right"] = "right" if heading.is_number else "left"
        grid.add_column(title, justify=justify, vertical="bottom", no_wrap=not heading.is_number)
    is_grouped = len(view.names) > 1  # a framework's name stands once, above its modes
    above: ViewRow | None = None
    for row in view.rows:
        if above is not None and row.is_inference != above.is_inference:
            grid.add_section()
            grid.add_row(Text("Inference", style=QUIET))
        if is_grouped and (above is None or above.names[0] != row.names[0]):
            grid.add_row(Text(row.names[0].text, style="bold"))
        grid.add_row(*_fields(row, is_grouped=is_grouped))
        above = row
    return grid


def _colour(row: ViewRow) -> str:
    return QUIET if row.status == "skipped" else WRONG


def _fields(row: ViewRow, *, is_grouped: bool) -> Iterable[Text]:
    """Yield the cells of one row; in a group its framework is named above it."""
    strike = "strike" if row.is_struck else ""
    names = row.names[1:] if is_grouped else row.names
    for position, one in enumerate(names):
        yield Text(f"  {one.text}" if is_grouped and position == 0 else one.text, style=strike)
    for position, one in enumerate(row.values):
        if row.is_hole:
            yield Text(row.status if position == 0 else "", style=_colour(row))
        else:
            yield Text(one.text, style=strike)
