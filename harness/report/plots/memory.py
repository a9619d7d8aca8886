"""The plot of memory: memory of a process over time, one panel per framework, one line per mode.

On a GPU the line is the memory of the device, sampled from outside, and the marks are what the framework's allocator
had reserved of it; a moment of which it does not say that has no mark. On a CPU the line is the resident set, sampled
from outside, and the marks are the process's own readings. Each phase has its own shape.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from bench.records.record import Cell, Moment, Reading, Record
from harness.report.hues import HUES
from harness.report.plots.style import DASHES, WIDTH_IN, Plot, drawing
from harness.report.plots.svg import BACKGROUND, INK, QUIET, to_svg
from harness.report.plots.works import named, not_drawn, work_of
from harness.report.tables.row import by_cell, ordered
from harness.store.samples import no_samples
from harness.validity.results import Run

MARKS: Final[Mapping[Moment, tuple[str, str]]] = {
    "import": ("^", "imported"),
    "build": ("s", "built"),
    "first step": ("o", "first step"),
    "round": ("D", "last round"),
    "deleted": ("X", "model deleted"),
}
ON_GPU: Final = (  # what the line is, what a mark is
    "memory of the GPU",
    "what the framework's allocator had reserved of it, which is less by the context",
)
ON_CPU: Final = ("resident set, with child processes", "resident set of the process alone")
MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The data of one replicate for the plot."""

    cell: Cell
    seconds: np.ndarray  # times of the samples from outside, since the start of the process; shape (n,)
    bytes: np.ndarray  # values of the same samples; shape (n,)
    readings: tuple[Reading, ...]
    begun_ns: int  # start of the process, on the clock of the readings

    def last_reading(self, moment: Moment) -> tuple[float, float] | None:
        """Return (seconds, MiB) of the last reading of `moment`; None: it has none of the memory that the line shows.

        That is on a GPU what the allocator had reserved, on a CPU the resident set.
        """
        last = next((reading for reading in reversed(self.readings) if reading.moment == moment), None)
        if last is None:
            return None
        held = last.allocator.reserved_bytes if self.cell.device == "cuda" else last.rss_bytes
        return None if held is None else ((last.at_ns - self.begun_ns) / 1e9, held / MIB)


def memory(run: Run, hues: Mapping[str, str]) -> Plot | None:
    """Draw the first good memory replicate of each cell of one work; without memory replicates, the first timed one."""
    lives = _lives(run)
    if not lives:
        return None
    groups: dict[str, list[Life]] = {}
    for life in lives:
        groups.setdefault(life.cell.framework, []).append(life)
    across = min(2, len(groups))
    down = math.ceil(len(groups) / across)
    with drawing():
        tall = max(2.1, 0.5 + 0.2 * max(map(len, groups.values())))
        figure = Figure(figsize=(WIDTH_IN, tall * down + 0.4), layout="constrained")
        panels = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
        for panel, (framework, group) in zip(panels, groups.items(), strict=False):
            _panel(panel, run.title(framework), group, hues.get(framework, QUIET))
        for panel in panels[len(groups) :]:
            panel.set_visible(False)
        for panel in panels[max(0, len(groups) - across) : len(groups)]:
            panel.set_xlabel("seconds since the start of the process")
        panels[0].set_ylim(bottom=0)
        if drawn := [moment for moment in MARKS if any(map(partial(Life.last_reading, moment=moment), lives))]:
            _key(figure, drawn)
        line, mark = ON_GPU if lives[0].cell.device == "cuda" else ON_CPU
        marks = f" Mark: {mark}, at the end of a phase." if drawn else ""
        work = work_of(lives[0].cell)
        good = (work_of(record.cell) for record in _records(run) if record.status == "ok")
        rest = not_drawn(named(other) for other in good if other != work)
        return Plot(
            name="memory",
            title=f"Memory over time, {named(work)}",
            about=f"One replicate of each mode. Line: {line}, sampled from outside.{marks}{rest}",
            svg=to_svg(figure, "memory", "Memory over time, one panel per framework, one line per mode"),
        )


def _lives(run: Run) -> list[Life]:
    """Return the data of one replicate of each cell of the first work, in the order of the tables."""
    records_of = by_cell(run, "memory") or by_cell(run, "identical")
    cells = ordered(run, records_of)
    work = next((work_of(cell) for cell in cells if any(record.status == "ok" for record in records_of[cell])), None)
    chosen = [
        next((record for record in records_of[cell] if record.status == "ok"), None)
        for cell in cells
        if work_of(cell) == work
    ]
    on_gpu = any(record is not None and record.cell.device == "cuda" for record in chosen)
    metric = "device_used_bytes" if on_gpu else "rss_bytes"
    samples = run.samples.taken(metric) if run.samples else no_samples()
    lives = [_life(record, samples) for record in chosen if record is not None]
    return [life for life in lives if len(life.bytes) or life.readings]


def _records(run: Run) -> list[Record]:
    """Return the records of the track that is drawn: the memory replicates, else the timed ones."""
    records_of = by_cell(run, "memory") or by_cell(run, "identical")
    return [record for records in records_of.values() for record in records]


def _life(record: Record, samples: pd.DataFrame) -> Life:
    """Return the data of a replicate, with the samples from its time: replicates run one after another."""
    memory, begun, observed = record.memory, record.started_unix_ns, record.observation
    before = observed.device_before_bytes or 0 if observed and record.cell.device == "cuda" else 0
    if begun:
        own = samples[(samples["t_ns"] >= begun) & (samples["t_ns"] <= begun + record.wall_ns)]
    else:
        own = samples[samples["subject"] == f"{record.cell.id}#{record.block}"]
    if not (memory and memory.readings) and len(own):  # an older run: its clock is not known
        begun = int(own["t_ns"].min())
    return Life(
        cell=replace(record.cell, track="identical"),
        seconds=(own["t_ns"].to_numpy() - begun) / 1e9,
        bytes=own["value"].to_numpy() - before,
        readings=memory.readings if memory else (),
        begun_ns=begun - ((memory.unix_offset_ns or 0) if memory else 0),
    )


def _panel(axes: Axes, title: str, lives: Sequence[Life], hue: str) -> None:
    hues = [hue, *(other for other in HUES if other != hue)]
    for position, life in enumerate(lives):
        color, dash = hues[position % len(hues)], DASHES[position % len(DASHES)]
        label = life.cell.mode
        if len(life.bytes):
            axes.plot(life.seconds, life.bytes / MIB, color=color, linestyle=dash, linewidth=1.4, label=label)
            label = ""
        for moment, (shape, _) in MARKS.items():
            if point := life.last_reading(moment):
                axes.plot(*point, shape, color=color, markersize=5, markerfacecolor=BACKGROUND, label=label)
                label = ""
    axes.set_title(title, fontweight="bold")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f} MiB"))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=2.2, labelcolor=INK, borderaxespad=0.2)


def _key(figure: Figure, drawn: Sequence[Moment]) -> None:
    """Add the legend of the marks below the panels, of those that are drawn."""
    marks = [
        Line2D([], [], color=QUIET, marker=shape, linestyle="", markersize=5, markerfacecolor=BACKGROUND)
        for shape, _ in map(MARKS.__getitem__, drawn)
    ]
    words = [MARKS[moment][1] for moment in drawn]
    figure.legend(marks, words, loc="outside lower center", labelcolor=INK, ncols=len(words), handletextpad=0.2)
