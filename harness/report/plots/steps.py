"""The plot of steps: time per step of every framework and mode, one line each, on a logarithmic scale."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.format import duration
from harness.report.plots.style import NARROW_IN, WIDTH_IN, Plot, drawing, durations
from harness.report.plots.svg import BACKGROUND, INK, QUIET, to_svg
from harness.report.tables.steps import StepRow
from harness.stats.estimate import Estimate

GAP: Final = 0.5  # lines between two frameworks
TALL: Final = 25  # with more lines, the scale is also above the plot


def steps(rows: Sequence[StepRow], hues: Mapping[str, str]) -> Plot | None:
    """Draw the time per step of each row: a dot, its interval and its value; without a time, the status instead."""
    if not any(row.step_ns for row in rows):
        return None
    infers = any(row.is_inference for row in rows)
    interval = ", with its 95 % interval" if any(row.step_ns and row.step_ns.interval for row in rows) else ""
    hollow = " Hollow dots: inference, one forward pass, not a training step." if infers else ""
    return Plot(
        name="steps",
        title="Time per step",
        about=f"Geometric mean of the medians of the replicates{interval}. Logarithmic scale; left is faster." + hollow,
        svg=_svg("steps", rows, hues, WIDTH_IN),
        narrow_svg=_svg("steps-narrow", rows, hues, NARROW_IN),
    )


def _svg(name: str, rows: Sequence[StepRow], hues: Mapping[str, str], width_in: float) -> str:
    with drawing():
        lines = _lines(rows)
        lowest = lines[-1].height
        figure = Figure(figsize=(width_in, 0.6 + 0.24 * lowest), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(*_range(rows, beside=1.3 / width_in))
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
        durations(axes, "x", ticks=8 if width_in >= WIDTH_IN else 4)
        return to_svg(figure, name, "Time per training step of every framework and mode, on a logarithmic scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the plot of steps."""

    height: float  # from the top, in lines
    label: str
    row: StepRow | None  # None: the heading above the modes of a framework


def _lines(rows: Sequence[StepRow]) -> list[Line]:
    """Return the lines from top to bottom: a framework above its modes, or on one line with its only mode."""
    lines: list[Line] = []
    height = 0.0
    for title, group in itertools.groupby(rows, key=lambda row: row.title):
        members = list(group)
        gap = GAP if lines else 0.0
        if len(members) > 1:
            heading = f"{title}, inference" if members[0].is_inference else title
            lines.append(Line(height=height + gap, label=heading, row=None))
            height, gap, title = height + gap + 1, 0.0, ""
        for index, row in enumerate(members):
            lines.append(Line(height=height + gap, label=_label(title, members, index), row=row))
            height, gap = height + gap + 1, 0.0
    return lines


def _range(rows: Sequence[StepRow], beside: float) -> tuple[float, float]:
    """Return the ends of the scale in ns: all intervals, and to the right `beside` of their length for the values."""
    ends = [end for row in rows if row.step_ns for end in _ends(row.step_ns)]
    low, high = min(ends), max(ends)
    return low / max(1.5, (high / low) ** 0.12), high * max(1.5, (high / low) ** beside)


def _ends(estimate: Estimate) -> tuple[float, float]:
    if estimate.interval is None:
        return estimate.value, estimate.value
    return estimate.interval.low, estimate.interval.high


def _label(title: str, rows: Sequence[StepRow], index: int) -> str:
    """Return `title`, which may be empty, the mode, and the fields that differ between rows of the same mode."""
    cell = rows[index].cell
    same_mode = [row.cell for row in rows if row.cell.mode == cell.mode]
    more = [
        getattr(cell, name)
        for name in ("optimizer", "workload", "size", "precision", "device", "allocator")
        if len({getattr(other, name) for other in same_mode}) > 1
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
    axes.plot([value], [height], "o", color=hue, markersize=6, markerfacecolor=BACKGROUND if row.is_inference else hue)
    right = interval.high if interval else value
    axes.annotate(
        duration(value), (right, height), xytext=(9, 0), textcoords="offset points", va="center", color=INK, fontsize=9
    )
