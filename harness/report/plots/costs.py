"""The plot of costs: time of a training against its number of steps, one panel per framework, one plot per work."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.hues import HUES
from harness.report.plots.style import DASHES, WIDTH_IN, Plot, counts, drawing, durations
from harness.report.plots.svg import BACKGROUND, INK, QUIET, to_svg
from harness.report.plots.works import Work, named, not_drawn, work_of
from harness.report.tables.steps import StepRow
from harness.stats.breakeven import BreakEven

MANY_STEPS: Final = 1_000_000
MOST_WORKS: Final = 4  # a page with more plots of one kind is hard to read


def costs(rows: Sequence[StepRow], hues: Mapping[str, str]) -> tuple[Plot, ...]:
    """Draw the time of a training of n steps and the break-even, a plot for each work, at most `MOST_WORKS`.

    A plot has a panel for each framework with more than one mode; a work without one has no plot.
    """
    timed = [row for row in rows if row.step_ns is not None and row.first_step_ns is not None and not row.source]
    works: dict[Work, dict[str, list[StepRow]]] = {}
    for row in timed:
        works.setdefault(work_of(row.cell), {}).setdefault(row.cell.framework, []).append(row)
    drawable = {
        work: shown for work, groups in works.items() if (shown := [rows for rows in groups.values() if len(rows) > 1])
    }
    drawn = list(drawable.items())[:MOST_WORKS]
    rest = not_drawn(named(work) for work in list(drawable)[MOST_WORKS:])
    return tuple(
        _plot(
            f"costs-{number}" if number > 1 else "costs",
            named(work),
            groups,
            hues,
            rest if number == len(drawn) else "",
        )
        for number, (work, groups) in enumerate(drawn, start=1)
    )


def _plot(name: str, work: str, groups: Sequence[Sequence[StepRow]], hues: Mapping[str, str], rest: str) -> Plot:
    across = min(2, len(groups))
    with drawing():
        down = math.ceil(len(groups) / across)
        tall = max(2.3, 0.5 + 0.2 * max(map(len, groups)))  # high enough for the longest legend
        figure = Figure(figsize=(WIDTH_IN, tall * down), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, group in zip(panels, groups, strict=False):
            _cost(panel, group, hues.get(group[0].cell.framework, QUIET))
        for panel in panels[len(groups) :]:
            panel.set_visible(False)
        for panel in panels[max(0, len(groups) - across) : len(groups)]:
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("steps")
        return Plot(
            name=name,
            title=f"First step and all steps after it, {work}",
            about="Time of a whole training of n steps. Grey: the baseline. A ring marks the break-even, where a mode"
            f" falls below its baseline.{rest}",
            svg=to_svg(figure, name, f"Total time of {work} against number of steps for each framework's modes"),
        )


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
