"""The plots of the page, in its order, each from its own module; what they share is `harness.report.plots.style`."""

from harness.report.plots.costs import costs
from harness.report.plots.growth import growth
from harness.report.plots.losses import losses
from harness.report.plots.memory import memory
from harness.report.plots.memory_parts import bars
from harness.report.plots.steps import steps
from harness.report.plots.style import Plot
from harness.report.plots.svg import HUES
from harness.report.tables.all import Tables
from harness.validity.results import Run


def plots(run: Run, tables: Tables) -> tuple[Plot, ...]:
    """Draw what this run has something to draw for."""
    hues = {facts.name: HUES[hue_number(at) - 1] for at, facts in enumerate(run.facts.frameworks)}
    drawn = [
        steps(tables.steps.rows, hues),
        costs(tables.steps.rows, hues),
        growth(tables.growth.rows, tables.crossovers.rows, hues),
        losses(run, hues),
        memory(run, hues),
        bars(tables.memory.rows, hues),
    ]
    return tuple(plot for plot in drawn if plot is not None)


def hue_number(place: int) -> int:
    """Return the number of the hue of the framework at `place` in the run; hues come again when they run out."""
    return place % len(HUES) + 1
