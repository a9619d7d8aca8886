"""The hello worlds of the frameworks, side by side in the terminal."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bench.catalogue import FrameworkOffer

THEME: Final = "ansi_dark"  # the terminal's own colours, on whatever ground it has
GAP: Final = 3


def side_by_side(frameworks: Sequence[FrameworkOffer], console: Console) -> None:
    """Print the hello world of each framework, in as many columns as fit without breaking a line."""
    if not frameworks:
        console.print("No framework with a hello world.")
    for row in rows(frameworks, console.width):
        listings = [_listing(one, plain=not console.is_terminal) for one in row]
        if len(row) == 1:
            console.print(listings[0], soft_wrap=True)
        else:
            grid = Table.grid(padding=(0, GAP, 0, 0))
            grid.add_row(*listings)
            console.print(grid)
        console.print()


def rows(frameworks: Iterable[FrameworkOffer], width: int) -> list[list[FrameworkOffer]]:
    """Return the frameworks in rows whose listings fit into `width` characters; one that is wider stands alone."""
    laid: list[list[FrameworkOffer]] = []
    left = 0
    for one in frameworks:
        needed = _width(one) + GAP
        if laid and needed <= left:
            laid[-1].append(one)
        else:
            laid.append([one])
            left = width + GAP
        left -= needed
    return laid


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
