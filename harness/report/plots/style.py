"""What the plots share: style, dashes, the legend of the frameworks, and the ticks of the axes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.format import duration
from harness.report.plots.svg import GRID, INK, QUIET
from harness.validity.results import Run

WIDTH_IN: Final = 9.0
NARROW_IN: Final = 5.0  # of a narrow page
NARROW: Final = 30  # an axis with a smaller ratio of its ends also has ticks between powers of ten
DASHES: Final[tuple[Any, ...]] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
STYLE: Final[dict[Any, Any]] = {
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a name with dollar signs is no formula
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


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of the page, whatever the settings of this process are; afterwards they are as before."""
    settings: dict[Any, Any] = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
    with mpl.rc_context(settings | STYLE):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One figure of the page."""

    name: str
    title: str
    about: str  # how to read it
    svg: str  # empty: it could not be drawn, and `about` says why
    narrow_svg: str = ""  # the same for a narrow page, whose text stays legible there; empty: `svg` scrolls


def dash_of(index: int) -> Any:
    """Return the dash of the framework at `index`; hue and dash together are easier to distinguish."""
    return DASHES[index % len(DASHES)]


def framework_legend(figure: Figure, run: Run, hues: Mapping[str, str], frameworks: Sequence[str]) -> None:
    """Add the legend of the frameworks, with hue and dash, below the plot."""
    order = list(hues)
    shown = [name for name in dict.fromkeys([*order, *frameworks]) if name in frameworks]
    lines = [
        Line2D([], [], color=hues.get(name, QUIET), linestyle=dash_of(order.index(name) if name in order else 0))
        for name in shown
    ]
    figure.legend(
        lines,
        [run.title(name) for name in shown],
        loc="outside lower center",
        labelcolor=INK,
        handlelength=2.6,
        ncols=4,
    )


def durations(axes: Axes, which: str, ticks: int = 8) -> None:
    """Label the ticks of an axis in ns as durations."""
    _logarithmic(axes, which, lambda ns: duration(ns).replace(".00 ", " ").replace(".0 ", " "), ticks)


def counts(axes: Axes, which: str) -> None:
    """Label the ticks of an axis as whole numbers."""
    _logarithmic(axes, which, lambda n: f"{n:,.0f}", ticks=5)


def powers(axes: Axes) -> None:
    """Label the ticks of the vertical axis as numbers, small ones as powers of ten."""
    _logarithmic(axes, "y", lambda value: f"{value:g}" if value > 1e-3 else f"{value:.0e}")


def _logarithmic(axes: Axes, which: str, text: Callable[[float], str], ticks: int = 8) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    steps = (1.0,) if high > NARROW * low else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
