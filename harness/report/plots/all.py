"""All plots of the page, in order. Each plot has a module; `harness.report.plots.style` has what they share."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Final

from harness.report.hues import HUES, hue_number
from harness.report.plots.costs import costs
from harness.report.plots.growth import growth
from harness.report.plots.losses import losses
from harness.report.plots.memory import memory
from harness.report.plots.memory_parts import bars
from harness.report.plots.steps import steps
from harness.report.plots.style import Plot
from harness.report.tables.all import Tables
from harness.terminal.failures import brief
from harness.validity.results import Run

LINE: Final = 16  # height of a line of text in a picture's units


def plots(run: Run, tables: Tables) -> tuple[Plot, ...]:
    """Draw the plots for which the run has data."""
    hues = {facts.name: HUES[hue_number(index) - 1] for index, facts in enumerate(run.facts.frameworks)}
    drawings: Mapping[str, Callable[[], Sequence[Plot | None]]] = {
        "steps": lambda: (steps(tables.steps.rows, hues),),
        "costs": lambda: costs(tables.steps.rows, hues),
        "growth": lambda: (growth(tables.growth.rows, tables.crossovers.rows, hues),),
        "losses": lambda: (losses(run, hues),),
        "memory": lambda: (memory(run, hues),),
        "memory-parts": lambda: (bars(tables.memory.rows, hues),),
    }
    drawn = (plot for name, draw in drawings.items() for plot in _drawn(name, draw) if plot is not None)
    return tuple(_with_caveat(plot, run.caveat) for plot in drawn)


def _with_caveat(plot: Plot, caveat: str) -> Plot:
    """Return the plot with the caveat below it and, where it may be cut out of its page, in the picture."""
    if not caveat:
        return plot
    pictures = (_captioned(svg, caveat) for svg in (plot.svg, plot.narrow_svg))
    return replace(plot, about=f"{caveat} {plot.about}", **dict(zip(("svg", "narrow_svg"), pictures, strict=True)))


def _captioned(svg: str, caveat: str) -> str:
    """Return a picture with one more line at its top."""
    line = (
        f'<text x="50%" y="-5" text-anchor="middle" style="fill: var(--wrong); font-size: 10px">{escape(caveat)}</text>'
    )

    def higher(box: re.Match[str]) -> str:
        width, height = box[1], float(box[2]) + LINE
        return f'viewBox="0 {-LINE} {width} {height:g}"'

    return re.sub(r'viewBox="0 0 (\S+) (\S+)"', higher, svg, count=1).replace("</svg>", f"{line}</svg>")


def _drawn(name: str, draw: Callable[[], Sequence[Plot | None]]) -> Sequence[Plot | None]:
    """Return what `draw` draws; where that fails, for whatever reason, a plot that says why and no more."""
    try:
        return draw()
    except Exception as error:  # noqa: BLE001  (a picture is worth less than the records and tables of its run)
        why = brief(error)
        logging.getLogger(__name__).warning("samestep: the page lacks the plot %s: %s.", name, why)
        return (Plot(name=name, title=f"No plot {name}", about=f"It could not be drawn: {why}.", svg=""),)
