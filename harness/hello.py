"""The hello worlds of the frameworks, side by side in the terminal."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bench.catalogue import FrameworkOffer

THEME: Final = "ansi_dark"  # the terminal's own colours, which suit its background
GAP: Final = 3


def side_by_side(frameworks: Sequence[FrameworkOffer], console: Console) -> None:
    """Print the hello world of each framework, in as many columns as fit without breaking a line."""
    if not frameworks:
        console.print("No framework with a hello world.")
    for row in rows(frameworks, console.width):
        listings = [_listing(framework, plain=not console.is_terminal) for framework in row]
        if len(row) == 1:
            console.print(listings[0], soft_wrap=True)
        else:
            grid = Table.grid(padding=(0, GAP, 0, 0))
            grid.add_row(*listings)
            console.print(grid)
        console.print()


def rows(frameworks: Iterable[FrameworkOffer], width: int) -> list[list[FrameworkOffer]]:
    """Return the frameworks in rows whose listings fit into `width` characters; a wider one has a row of its own."""
    filled: list[list[FrameworkOffer]] = []
    left = 0
    for framework in frameworks:
        needed = _width(framework) + GAP
        if filled and needed <= left:
            filled[-1].append(framework)
        else:
            filled.append([framework])
            left = width + GAP
        left -= needed
    return filled


def _listing(framework: FrameworkOffer, *, plain: bool) -> Group:
    code = framework.hello.rstrip()
    body = Text(code) if plain else Syntax(code, "python", theme=THEME, background_color="default", word_wrap=True)
    heading = Text(_heading(framework), style="bold")
    return Group(heading, Text("─" * len(heading), style="dim"), body)


def _heading(framework: FrameworkOffer) -> str:
    return f"{framework.title}: {framework.hello_lines} logical lines"


def _width(framework: FrameworkOffer) -> int:
    lines = [_heading(framework), *framework.hello.splitlines()]
    return max(map(len, lines))
