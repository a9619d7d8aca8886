"""The plot of costs: time of a training against its number of steps, one panel per framework, logarithmic axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.hues import HUES
from harness.report.plots.style import DASHES, WIDTH_IN, Plot, counts, drawing, durations
from harness.report.plots.svg import BACKGROUND, INK, QUIET, to_svg
from harness.report.tables.steps import StepRow
from harness.stats.breakeven import BreakEven

MANY_STEPS: Final = 1_000_000


def costs(rows: Sequence[StepRow], hues: Mapping[str, str]) -> Plot | None:
    """Draw the time of a training of n steps and the break-even, for each framework with more than one mode."""
    timed = [row for row in rows if row.step_ns is not None and row.first_step_ns is not None and not row.source]
    groups: dict[str, list[StepRow]] = {}
    for row in timed:
        if _work(row) == _work(timed[0]):
            groups.setdefault(row.cell.framework, []).append(row)
    shown = [group for group in groups.values() if len(group) > 1]
    if not shown:
        return None
    across = min(2, len(shown))
    with drawing():
        down = math.ceil(len(shown) / across)
        tall = max(2.3, 0.5 + 0.2 * max(map(len, shown)))  # high enough for the longest legend
        figure = Figure(figsize=(WIDTH_IN, tall * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, group in zip(panels, shown, strict=False):
            _cost(panel, group, hues.get(group[0].cell.framework, QUIET))
        for panel in panels[len(shown) :]:
            panel.set_visible(False)
        for panel in panels[max(0, len(shown) - across) : len(shown)]:
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("steps")
        return Plot(
            name="costs",
            title="First step and all steps after it",
            about="Time of a whole training of n steps. Grey: the baseline. A ring marks the break-even, where a mode"
            " falls below its baseline.",
            svg=to_svg(figure, "costs", "Total time against number of steps for each framework's modes"),
        )


def _work(row: StepRow) -> tuple[str, ...]:
    return (row.cell.workload, row.cell.optimizer, row.cell.size, row.cell.precision, row.cell.device)


def _cost(axes: Axes, rows: Sequence[StepRow], hue: str) -> None:
    n = np.geomspace(1, MANY_STEPS, 60)
    hues = [hue, *(other for other in HUES if other != hue)]
    kinds = (True, False)  # baselines are grey and have dashes of their own
    positions = {
        row.cell: index for kind in kinds for index, row in enumerate(row for row in rows if row.is_baseline is kind)
    }
    for row in rows:
        if row.step_ns is None or row.first_step_ns is None:
            continue
        position = positions[row.cell]
        color = QUIET if row.is_baseline else hues[position % len(hues)]
        total = row.first_step_ns.value + (n - 1) * row.step_ns.value
        axes.plot(n, total, color=color, linestyle=DASHES[position % len(DASHES)], linewidth=1.6, label=row.cell.mode)
        if isinstance(row.break_even, BreakEven) and 1 < row.break_even.steps <= MANY_STEPS:
            at = row.break_even.steps
            height = row.first_step_ns.value + (at - 1) * row.step_ns.value
            axes.plot([at], [height], "o", color=color, markerfacecolor=BACKGROUND, markersize=6, markeredgewidth=1.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(rows[0].title, fontweight="bold")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=2.2, labelcolor=INK, borderaxespad=0.2)
    durations(axes, "y")
    counts(axes, "x")
