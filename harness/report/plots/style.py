"""What the plots of the page share: their style, their lines, the key of the frameworks, the ticks of their axes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.format import duration
from harness.report.plots.svg import GRID, INK, QUIET
from harness.validity.results import Run

WIDTH_IN: Final = 9.0
NARROW: Final = 30  # an axis that spans less has ticks between the powers of ten, which may all lie outside
DASHES: Final[tuple[Any, ...]] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
STYLE: Final[dict[Any, Any]] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One figure of the page."""

    name: str
    title: str
    about: str  # how to read it
    svg: str


def dash_of(place: int) -> Any:
    """Return the line of the framework at `place`: so many hues are told apart more surely with it."""
    return DASHES[place % len(DASHES)]


def key(figure: Figure, run: Run, hues: Mapping[str, str], frameworks: Sequence[str]) -> None:
    """Name the frameworks by their hue and dash, beneath the plot."""
    order = list(hues)
    named = [name for name in dict.fromkeys([*order, *frameworks]) if name in frameworks]
    lines = [
        Line2D([], [], color=hues.get(name, QUIET), linestyle=dash_of(order.index(name) if name in order else 0))
        for name in named
    ]
    figure.legend(
        lines,
        [run.title(name) for name in named],
        loc="outside lower center",
        labelcolor=INK,
        handlelength=2.6,
        ncols=4,
    )


def durations(axes: Axes, which: str) -> None:
    """Give an axis in ns ticks that read as times."""
    _logarithmic(axes, which, lambda ns: duration(ns).replace(".00 ", " ").replace(".0 ", " "))


def counts(axes: Axes, which: str) -> None:
    """Give an axis ticks that read as whole numbers."""
    _logarithmic(axes, which, lambda n: f"{n:,.0f}", ticks=5)


def powers(axes: Axes) -> None:
    """Give the vertical axis ticks that read as powers of ten once they are small."""
    _logarithmic(axes, "y", lambda value: f"{value:g}" if value > 1e-3 else f"{value:.0e}")


def _logarithmic(axes: Axes, which: str, text: Callable[[float], str], ticks: int = 8) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    steps = (1.0,) if high > NARROW * low else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
