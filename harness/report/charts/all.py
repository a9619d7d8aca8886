"""All charts of the page, in order. Each kind has a module; `look`, `table` and `lines` have what they share."""

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from harness.report.charts import compile, engine, peak
from harness.report.charts.artifacts import artifacts
from harness.report.charts.cells import Group, groups
from harness.report.charts.chart import Chart
from harness.report.charts.costs import costs
from harness.report.charts.eras import timeline
from harness.report.charts.growth import growth
from harness.report.charts.losses import losses
from harness.report.charts.memory import memory
from harness.report.charts.parts import parts
from harness.report.charts.scaling import scaling
from harness.report.charts.steps import steps
from harness.report.charts.streaming import streaming
from harness.report.charts.variants import variants
from harness.report.charts.works import not_drawn
from harness.report.hues import hue_numbers
from harness.report.tables.all import Tables
from harness.terminal.failures import brief
from harness.validity.results import Run

MOST_ROWS: Final = 120  # of all charts of the first step together, and of those of the peak: the page stays small


def charts(run: Run, tables: Tables) -> tuple[Chart, ...]:
    """Draw the charts for which the run has data.

    Raises:
        EngineError: nothing can be drawn on this computer, which is one failure and not one of each chart.
    """
    engine.require()
    hues, caveat = hue_numbers(run), run.caveat
    found = groups(run, tables)
    drawings: Mapping[str, Callable[[], Sequence[Chart | None]]] = {
        "scaling": lambda: scaling(tables.scaling.rows, hues, run.facts, caveat),
        "variants": lambda: (variants(tables.variants.rows, hues, caveat),),
        "steps": lambda: steps(found, caveat),
        "compile": lambda: _some(found, compile.is_drawable, compile.first_steps, caveat),
        "costs": lambda: costs(tables.steps.rows, hues, caveat),
        "streaming": lambda: streaming(tables.streaming.rows, hues, caveat),
        "eras": lambda: (timeline(tables.eras.rows, caveat),),
        "growth": lambda: (growth(tables.growth.rows, tables.crossovers.rows, hues, caveat),),
        "artifacts": lambda: (artifacts(tables.inference.rows, hues, caveat),),
        "losses": lambda: (losses(run, hues, caveat),),
        "peak": lambda: _some(found, peak.is_drawable, peak.peaks, caveat),
        "memory-parts": lambda: (parts(tables.memory.rows, hues, caveat),),
        "memory": lambda: (memory(run, hues, caveat),),
    }
    drawn = (chart for name, draw in drawings.items() for chart in _drawn(name, draw) if chart is not None)
    return tuple(replace(chart, about=f"{caveat} {chart.about}") if caveat else chart for chart in drawn)


def _some(
    found: Iterable[Group],
    is_drawable: Callable[[Group], bool],
    draw: Callable[[Sequence[Group], str], tuple[Chart, ...]],
    caveat: str,
) -> tuple[Chart, ...]:
    """Draw the first groups that can be drawn, the first in any case; the last chart names those that are not."""
    able = [group for group in found if is_drawable(group)]
    rows = itertools.accumulate(len(group.rows) for group in able)
    count = max(1, sum(total <= MOST_ROWS for total in rows))
    drawn = draw(able[:count], caveat)
    rest = not_drawn(group.name for group in able[count:])
    return (*drawn[:-1], *(replace(chart, about=f"{chart.about}{rest}") for chart in drawn[-1:]))


def _drawn(name: str, draw: Callable[[], Sequence[Chart | None]]) -> Sequence[Chart | None]:
    """Return what `draw` draws; where that fails, for whatever reason, a chart that says why and no more."""
    try:
        return draw()
    except engine.EngineError:  # of which every chart would say the same
        raise
    except Exception as error:  # noqa: BLE001  (a picture is worth less than the records and tables of its run)
        why = brief(error)
        logging.getLogger(__name__).warning("samestep: the page lacks the chart %s: %s.", name, why)
        return (Chart(name=name, title=f"No chart {name}", about=f"It could not be drawn: {why}.", spec=None, svg=""),)
