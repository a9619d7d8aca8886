"""All plots of the page, in order. Each plot has a module; `harness.report.plots.style` has what they share."""

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
    """Draw the plots for which the run has data."""
    hues = {facts.name: HUES[hue_number(index) - 1] for index, facts in enumerate(run.facts.frameworks)}
    drawings = [
        steps(tables.steps.rows, hues),
        *costs(tables.steps.rows, hues),
        growth(tables.growth.rows, tables.crossovers.rows, hues),
        losses(run, hues),
        memory(run, hues),
        bars(tables.memory.rows, hues),
    ]
    return tuple(plot for plot in drawings if plot is not None)


def hue_number(index: int) -> int:
    """Return the number, from 1, of the hue of the framework at `index` in the run; hues repeat after the last."""
    return index % len(HUES) + 1
