"""The chart of memory: memory of a process over time, a panel for each framework, a line for each mode.

On a GPU the line is the memory of the device, sampled from outside, and the marks are what the framework's allocator
had reserved of it; a moment of which it does not say that has no mark. On a CPU the line is the resident set, sampled
from outside, and the marks are the process's own readings. Each phase has its own shape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from bench.records.record import Cell, Moment, Reading, Record
from harness.report.charts import expressions
from harness.report.charts.chart import Chart
from harness.report.charts.draw import draw
from harness.report.charts.lines import DASHES, Axis, Line, Mark, Panel, panels, thin
from harness.report.charts.peak import round_bytes
from harness.report.charts.works import named, not_drawn
from harness.report.overview import work_of
from harness.report.tables.row import by_cell, ordered
from harness.store.samples import no_samples
from harness.validity.results import Run

MARKS: Final[Mapping[Moment, tuple[str, str]]] = {  # shape in Vega; how it is called
    "import": ("triangle-up", "▲ imported"),
    "build": ("square", "■ built"),
    "first step": ("circle", "● first step"),
    "round": ("diamond", "◆ last round"),
    "deleted": ("triangle-down", "▼ model deleted"),
}
ON_GPU: Final = (  # what the line is, what a mark is
    "memory of the GPU",
    "what the framework's allocator had reserved of it, which is less by the context",
)
ON_CPU: Final = ("resident set, with child processes", "resident set of the process alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The data of one replicate for the chart."""

    cell: Cell
    seconds: np.ndarray  # times of the samples from outside, since the start of the process; shape (n,)
    bytes: np.ndarray  # values of the same samples; shape (n,)
    readings: tuple[Reading, ...]
    begun_ns: int  # start of the process, on the clock of the readings

    def last_reading(self, moment: Moment) -> tuple[float, float] | None:
        """Return (seconds, bytes) of the last reading of `moment`; None: it has none of the memory that the line shows.

        That is on a GPU what the allocator had reserved, on a CPU the resident set.
        """
        last = next((reading for reading in reversed(self.readings) if reading.moment == moment), None)
        if last is None:
            return None
        held = last.allocator.reserved_bytes if self.cell.device == "cuda" else last.rss_bytes
        return None if held is None else ((last.at_ns - self.begun_ns) / 1e9, float(held))


def memory(run: Run, hues: Mapping[str, int], caveat: str) -> Chart | None:
    """Draw the first good memory replicate of each cell of one work; without memory replicates, the first timed one."""
    lives = _lives(run)
    if not lives:
        return None
    drawn = [moment for moment in MARKS if any(map(partial(Life.last_reading, moment=moment), lives))]
    line, mark = ON_GPU if lives[0].cell.device == "cuda" else ON_CPU
    sampled = f" Line: {line}, sampled from outside." if any(len(life.bytes) for life in lives) else ""
    marks = f" Mark: {mark}, at the end of a phase: {', '.join(MARKS[moment][1] for moment in drawn)}."
    work = work_of(lives[0].cell)
    good = (work_of(record.cell) for record in _records(run) if record.status == "ok")
    rest = not_drawn(named(other) for other in good if other != work)
    shown = _panels(run, lives, hues)
    label = f"Memory of {named(work)} over time, one panel for each framework, one line for each mode"
    wide, narrow = (panels(shown, narrow=narrow, caveat=caveat, across=3, height=130) for narrow in (False, True))
    return Chart(
        name="memory",
        title=f"Memory over time, {named(work)}",
        about=f"One replicate of each mode, from the start of its process.{sampled}{marks if drawn else ''}{rest}",
        spec=None,
        svg=draw(wide, name="memory", label=label),
        narrow_svg=draw(narrow, name="memory-narrow", label=label),
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
    return [life for life in lives if len(life.bytes) or any(map(life.last_reading, MARKS))]


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


def _panels(run: Run, lives: Sequence[Life], hues: Mapping[str, int]) -> list[Panel]:
    groups: dict[str, list[Line]] = {}
    for life in lives:
        lines = groups.setdefault(life.cell.framework_id, [])
        lines.append(_line(life, hues.get(life.cell.framework, 0), len(lines) % len(DASHES)))
    every = [point for lines in groups.values() for line in lines for point in _places(line)]
    last, most = max(1.0, *(x for x, _ in every)), max(1.0, *(y for _, y in every))
    seconds = next(
        step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000) if last / step <= 6 or step == 10_000
    )
    x = Axis(
        title="seconds",
        low=0,
        high=last,
        ticks=[seconds * number for number in range(int(last / seconds) + 1)],
        text="format(datum.value, ',')",
    )
    y = Axis(
        title="",
        low=0,
        high=most * 1.05,
        ticks=round_bytes(most, 4),
        text=f"datum.value == 0 ? '0' : {expressions.mebibytes('datum.value', expressions.FEW_DIGITS)}",
    )
    return [Panel(title=run.title(framework), lines=lines, x=x, y=y) for framework, lines in groups.items()]


def _line(life: Life, hue: int, dash: int) -> Line:
    samples = [(float(second), float(held)) for second, held in zip(life.seconds, life.bytes, strict=True)]
    marks = [
        Mark(x=point[0], y=point[1], shape=shape)
        for moment, (shape, _) in MARKS.items()
        if (point := life.last_reading(moment))
    ]
    points = thin(sorted(samples))
    end = None if points else (marks[-1].x, marks[-1].y)
    return Line(name=life.cell.mode, hue=hue, points=points, dash=dash, marks=marks, end=end)


def _places(line: Line) -> list[tuple[float, float]]:
    return [*line.points, *((mark.x, mark.y) for mark in line.marks)]
