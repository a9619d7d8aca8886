"""The plots of the page, drawn in the stand-in colours of `harness.report.svg`."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.report import frame
from harness.report.facts import Run
from harness.report.rows import StepRow
from harness.report.stats import BreakEven, Estimate
from harness.report.summary import duration
from harness.report.svg import GRID, GROUND, HUES, INK, QUIET, to_svg
from harness.report.tables import Tables

LOSS_GATE: Final = 1e-4  # bench.workload.LOSS_TOLERANCE; a test holds the two together
WIDTH_IN: Final = 9.0
GAP: Final = 0.5  # lines between two frameworks
TALL: Final = 25  # lines from which on the scale stands above the plot too
MANY_STEPS: Final = 1_000_000
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


def plots(run: Run, tables: Tables) -> tuple[Plot, ...]:
    """Draw what this run has something to draw for."""
    hues = {facts.name: HUES[hue_number(at) - 1] for at, facts in enumerate(run.facts.frameworks)}
    from harness.report.growth_plot import growth

    drawn = [
        steps(tables.steps.rows, hues),
        costs(tables.steps.rows, hues),
        growth(tables.growth.rows, tables.crossovers.rows, hues),
        losses(run, hues),
        memory(run, hues),
    ]
    return tuple(plot for plot in drawn if plot is not None)


def hue_number(place: int) -> int:
    """Return the number of the hue of the framework at `place` in the run; hues come again when they run out."""
    return place % len(HUES) + 1


def steps(rows: Sequence[StepRow], hues: Mapping[str, str]) -> Plot | None:
    """Draw time per step by framework and mode: a dot, its interval, its value; holes say why, inference is hollow."""
    if not any(row.step_ns for row in rows):
        return None
    with mpl.rc_context(STYLE):
        lines = _lines(rows)
        lowest = lines[-1].height
        figure = Figure(figsize=(WIDTH_IN, 0.6 + 0.24 * lowest), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(*_range(rows))
        for line in lines:
            if line.row is not None:
                _step(axes, line.height, line.row, hues.get(line.row.cell.framework, QUIET))
        axes.set_ylim(lowest + 0.6, -0.6)
        axes.set_yticks([line.height for line in lines], [line.label for line in lines])
        for line, label in zip(lines, axes.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if line.row is None else "normal")
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.tick_params(axis="x", labeltop=lowest > TALL, labelbottom=True)
        axes.grid(visible=False, axis="y")
        durations(axes, "x")
        infers = any(row.is_inference for row in rows)
        hollow = " Hollow: inference, one forward pass, not a training step." if infers else ""
        return Plot(
            name="steps",
            title="Time per step",
            about="Geometric mean of the replicates' medians with its 95 % interval. Logarithmic: left is faster."
            + hollow,
            svg=to_svg(figure, "steps", "Time per training step of every framework and mode, on a logarithmic scale"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One line of the plot of steps."""

    height: float  # from the top, in lines
    label: str
    row: StepRow | None  # None: the heading above a framework's modes


def _lines(rows: Sequence[StepRow]) -> list[Placed]:
    """Return the lines from top to bottom: a framework above its modes, or beside the only one it has."""
    lines: list[Placed] = []
    height = 0.0
    for title, group in itertools.groupby(rows, key=lambda row: row.title):
        members = list(group)
        gap = GAP if lines else 0.0
        if len(members) > 1:
            named = f"{title}, inference" if members[0].is_inference else title
            lines.append(Placed(height=height + gap, label=named, row=None))
            height, gap, title = height + gap + 1, 0.0, ""
        for at, row in enumerate(members):
            lines.append(Placed(height=height + gap, label=_label(title, members, at), row=row))
            height, gap = height + gap + 1, 0.0
    return lines


def _range(rows: Sequence[StepRow]) -> tuple[float, float]:
    """Return the ends of the scale in ns: all intervals, and room for the values at their right."""
    ends = [end for row in rows if row.step_ns for end in _ends(row.step_ns)]
    low, high = min(ends), max(ends)
    room = max(1.5, (high / low) ** 0.12)
    return low / room, high * room


def _ends(estimate: Estimate) -> tuple[float, float]:
    if estimate.interval is None:
        return estimate.value, estimate.value
    return estimate.interval.low, estimate.interval.high


def _label(title: str, rows: Sequence[StepRow], at: int) -> str:
    """Return "mode", after the framework where it stands alone, with what else tells two rows of a mode apart."""
    cell = rows[at].cell
    twins = [row.cell for row in rows if row.cell.mode == cell.mode]
    more = [
        getattr(cell, name)
        for name in ("optimizer", "workload", "size", "precision", "device", "allocator")
        if len({getattr(twin, name) for twin in twins}) > 1
    ]
    return "  ".join(part for part in (title, cell.mode, *more) if part)


def _step(axes: Axes, height: float, row: StepRow, hue: str) -> None:
    if row.step_ns is None:
        axes.text(
            0.01, height, row.status, transform=axes.get_yaxis_transform(), color=QUIET, va="center", style="italic"
        )
        return
    value, interval = row.step_ns.value, row.step_ns.interval
    if interval:
        axes.plot([interval.low, interval.high], [height, height], color=hue, linewidth=3, alpha=0.45)
    axes.plot([value], [height], "o", color=hue, markersize=6, markerfacecolor=GROUND if row.is_inference else hue)
    right = interval.high if interval else value
    axes.annotate(
        duration(value), (right, height), xytext=(9, 0), textcoords="offset points", va="center", color=INK, fontsize=9
    )


def costs(rows: Sequence[StepRow], hues: Mapping[str, str]) -> Plot | None:
    """Draw, for each framework with more than one mode, the whole time of a training of n steps, with break-even."""
    timed = [row for row in rows if row.step_ns is not None and row.first_step_ns is not None and not row.source]
    groups: dict[str, list[StepRow]] = {}
    for row in timed:
        if _work(row) == _work(timed[0]):
            groups.setdefault(row.cell.framework, []).append(row)
    shown = [group for group in groups.values() if len(group) > 1]
    if not shown:
        return None
    across = min(2, len(shown))
    with mpl.rc_context(STYLE):
        down = math.ceil(len(shown) / across)
        tall = max(2.3, 0.5 + 0.2 * max(map(len, shown)))  # room for the longest legend
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
            title="First step and all that follow",
            about="Time of a whole training of n steps. Grey: what the others compare with; where a mode passes beneath"
            " it, a ring marks the break-even.",
            svg=to_svg(figure, "costs", "Total time against number of steps for each framework's modes"),
        )


def _work(row: StepRow) -> tuple[str, ...]:
    return (row.cell.workload, row.cell.optimizer, row.cell.size, row.cell.precision, row.cell.device)


def _cost(axes: Axes, rows: Sequence[StepRow], hue: str) -> None:
    n = np.geomspace(1, MANY_STEPS, 60)
    hues = [hue, *(other for other in HUES if other != hue)]
    kinds = (True, False)  # baselines are grey, and dashed apart like the others
    places = {row.cell: at for kind in kinds for at, row in enumerate(row for row in rows if row.is_baseline is kind)}
    for row in rows:
        if row.step_ns is None or row.first_step_ns is None:
            continue
        place = places[row.cell]
        color = QUIET if row.is_baseline else hues[place % len(hues)]
        total = row.first_step_ns.value + (n - 1) * row.step_ns.value
        axes.plot(n, total, color=color, linestyle=DASHES[place % len(DASHES)], linewidth=1.6, label=row.cell.mode)
        if isinstance(row.break_even, BreakEven) and 1 < row.break_even.steps <= MANY_STEPS:
            at = row.break_even.steps
            height = row.first_step_ns.value + (at - 1) * row.step_ns.value
            axes.plot([at], [height], "o", color=color, markerfacecolor=GROUND, markersize=6, markeredgewidth=1.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(rows[0].title, fontweight="bold")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=2.2, labelcolor=INK, borderaxespad=0.2)
    durations(axes, "y")
    _counts(axes, "x")


def losses(run: Run, hues: Mapping[str, str]) -> Plot | None:
    """Draw every cell's losses over one another, and how far each is from the reference."""
    first: dict[tuple[str, str, str, str], Any] = {}
    seen = [one for one in run.records if one.cell.track == "identical" and one.accuracy and one.accuracy.losses]
    for record in seen:
        cell = record.cell
        if cell.workload == seen[0].cell.workload:  # curves of several problems in one picture say nothing
            first.setdefault((cell.framework, cell.mode, cell.optimizer, cell.size), record)
    told = frame.losses(first.values())
    if not (told["loss"] > 0).any():
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.set_title("Loss of every cell, over the reference", fontweight="bold")
        right.set_title("Distance from the reference", fontweight="bold")
        order = list(dict.fromkeys([*hues, *(framework for framework, *_ in first)]))
        thinner = 5.5 / len(order)
        for (framework, *_), one in told.groupby(["framework", "mode", "optimizer", "size"], sort=False):
            place = order.index(str(framework))
            hue, width = hues.get(str(framework), QUIET), 0.4 + thinner * (len(order) - place)
            left.plot(one["step"], one["loss"], color=hue, linewidth=width)  # nested, so that the lowest still shows
            right.plot(
                one["step"], one["deviation"].where(one["deviation"] > 0),
                color=hue, linewidth=1.1, alpha=0.75, linestyle=_dash(place),
            )  # fmt: skip
        for _, one in told.groupby(["optimizer", "size"], sort=False):
            reference = one.drop_duplicates("step")
            left.plot(reference["step"], reference["reference"], color=INK, linewidth=1.2, linestyle=(0, (1, 3)))
        right.axhline(LOSS_GATE, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        right.annotate(
            "gate", (1, LOSS_GATE), xytext=(-2, 4), textcoords="offset points", color=INK, ha="right", fontsize=9,
            xycoords=right.get_yaxis_transform(),
        )  # fmt: skip
        for axes in (left, right):
            axes.set_yscale("log")
            axes.set_xlabel("step")
            _powers(axes)
        _key(figure, run, hues, [framework for framework, *_ in first])
        return Plot(
            name="losses",
            title="Losses",
            about="Left, all curves lie on one another and on the dotted float64 reference. Right, what the eye cannot"
            " see there: |loss - reference| ÷ max(1, |reference|); a cell that crosses the gate is invalid.",
            svg=to_svg(figure, "losses", "Loss of every cell over the steps, and its distance from the reference"),
        )


def memory(run: Run, hues: Mapping[str, str]) -> Plot | None:
    """Draw the resident memory over the life of each cell's first replicate."""
    samples = frame.resident(run.samples) if run.samples is not None else pd.DataFrame()
    cells = {record.cell.id: record.cell for record in run.records if record.cell.track == "identical"}
    if samples.empty or not samples["cell"].isin(cells).any():
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, one in samples[samples["cell"].isin(cells)].groupby("cell", sort=False):
            life = one[one["block"] == one["block"].min()].sort_values("seconds")
            framework = cells[str(name)].framework
            dash = _dash(list(hues).index(framework) if framework in hues else 0)
            axes.plot(
                life["seconds"], life["rss_bytes"] / 2**20,
                color=hues.get(framework, QUIET), linestyle=dash, linewidth=1.4, alpha=0.8,
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since the process was first seen")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f} MiB"))
        _key(figure, run, hues, [cell.framework for cell in cells.values()])
        return Plot(
            name="memory",
            title="Host memory over time",
            about="Resident memory of one replicate of each mode, sampled from outside.",
            svg=to_svg(figure, "memory", "Resident memory over time, one line per framework and mode"),
        )


def _dash(place: int) -> Any:
    """Return the line of the framework at `place`: so many hues are told apart more surely with it."""
    return DASHES[place % len(DASHES)]


def _key(figure: Figure, run: Run, hues: Mapping[str, str], frameworks: Sequence[str]) -> None:
    """Name the frameworks by their hue and dash, beneath the plot."""
    order = list(hues)
    named = [name for name in dict.fromkeys([*order, *frameworks]) if name in frameworks]
    lines = [
        Line2D([], [], color=hues.get(name, QUIET), linestyle=_dash(order.index(name) if name in order else 0))
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


def _counts(axes: Axes, which: str) -> None:
    _logarithmic(axes, which, lambda n: f"{n:,.0f}", ticks=5)


def _powers(axes: Axes) -> None:
    _logarithmic(axes, "y", lambda value: f"{value:g}" if value > 1e-3 else f"{value:.0e}")


def _logarithmic(axes: Axes, which: str, text: Callable[[float], str], ticks: int = 8) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(base=10, numticks=ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
