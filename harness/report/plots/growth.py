"""The plot of growth: time per step against the operations of a step, one panel per workload, logarithmic axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.records.record import Cell
from harness.report.plots.style import DASHES, WIDTH_IN, Plot, drawing, durations
from harness.report.plots.svg import BACKGROUND, INK, QUIET, to_svg
from harness.report.tables.growth import CrossoverRow, GrowthRow, line_of

LEGEND_COLUMNS: Final = 3
LINE_IN: Final = 0.2  # height of a line of the legend


def growth(rows: Sequence[GrowthRow], crossovers: Sequence[CrossoverRow], hues: Mapping[str, str]) -> Plot | None:
    """Draw every mode over its sizes, with a ring at the size from which it is faster than its baseline."""
    timed = [row for row in rows if row.step_ns is not None]
    panels: dict[tuple[str, str, str], list[GrowthRow]] = {}
    for row in timed:
        panels.setdefault((row.cell.workload, row.cell.optimizer, row.cell.precision), []).append(row)
    if not panels:
        return None
    dashes = _dashes(timed)
    across = min(2, len(panels))
    down = math.ceil(len(panels) / across)
    with drawing():
        legend_lines = math.ceil(len(dashes) / LEGEND_COLUMNS)
        figure = Figure(figsize=(WIDTH_IN, 3.2 * down + LINE_IN * legend_lines), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for panel, (work, group) in zip(axes, panels.items(), strict=False):
            _panel(panel, " ".join(work if _differs(panels) else work[:1]), group, crossovers, hues, dashes)
        for panel in axes[len(panels) :]:
            panel.set_visible(False)
        figure.legend(
            [Line2D([], [], color=hues.get(name, QUIET), linestyle=dash) for (name, _), dash in dashes.items()],
            [f"{title} {mode}" for title, mode in _names(timed)],
            loc="outside lower center",
            labelcolor=INK,
            handlelength=2.6,
            ncols=LEGEND_COLUMNS,
        )
        return Plot(
            name="growth",
            title="Time per step as the work grows",
            about="Each panel is one workload, from its smallest size to its largest, by the operations of a step. A"
            " ring marks the size from which a mode is faster than its baseline. Where a line is flat, the time does"
            " not depend on the work; where it rises like the dotted line, the time grows in proportion to the work.",
            svg=to_svg(figure, "growth", "Time per step against the operations of a step, on logarithmic scales"),
        )


def _differs(panels: Mapping[tuple[str, str, str], object]) -> bool:
    return len({work[1:] for work in panels}) > 1


def _names(rows: Sequence[GrowthRow]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row.title, row.cell.mode) for row in rows))


def _dashes(rows: Sequence[GrowthRow]) -> Mapping[tuple[str, str], Any]:
    """Return a dash for each mode of each framework, in order."""
    dashes: dict[tuple[str, str], Any] = {}
    counts: dict[str, int] = {}
    for row in rows:
        key = (row.cell.framework, row.cell.mode)
        if key not in dashes:
            count = counts.get(row.cell.framework, 0)
            dashes[key] = DASHES[count % len(DASHES)]
            counts[row.cell.framework] = count + 1
    return dashes


def _panel(
    axes: Axes,
    title: str,
    rows: Sequence[GrowthRow],
    crossovers: Sequence[CrossoverRow],
    hues: Mapping[str, str],
    dashes: Mapping[tuple[str, str], Any],
) -> None:
    ahead = {row.cell: row.ahead_from for row in crossovers}
    lines: dict[Cell, list[GrowthRow]] = {}
    for row in rows:
        lines.setdefault(line_of(row.cell), []).append(row)
    for cell, line in lines.items():
        hue, dash = hues.get(cell.framework, QUIET), dashes[cell.framework, cell.mode]
        x = [row.work.flops for row in line]
        y = [row.step_ns.value for row in line if row.step_ns is not None]
        axes.plot(x, y, color=hue, linestyle=dash, linewidth=1.5, marker="o", markersize=3.5)
        for row, height in zip(line, y, strict=True):
            if row is not line[0] and row.cell.size == ahead.get(
                cell
            ):  # faster from the smallest size on: no crossover
                axes.plot([row.work.flops], [height], "o", color=hue, markerfacecolor=BACKGROUND, markersize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    works = {row.work.name: row.work.flops for row in rows}
    axes.set_xticks(list(works.values()), list(works), minor=False)
    axes.set_xticks([], minor=True)
    low, high = axes.get_ylim()
    base = min(works.values())
    start = min(row.step_ns.value for row in rows if row.step_ns is not None)
    axes.plot(
        list(works.values()), [start * flops / base for flops in works.values()],
        color=QUIET, linewidth=1, linestyle=(0, (1, 3)),
    )  # fmt: skip
    axes.set_ylim(low, high)
    axes.set_title(title, fontweight="bold")
    durations(axes, "y")
