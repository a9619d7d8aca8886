"""The charts of costs: the time of a whole training beside that of the baseline, over its number of steps.

A chart for each work, with a panel for each framework that has a mode to compare with its baseline.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from bench.records.record import Cell
from harness.report.charts.chart import Chart
from harness.report.charts.draw import draw
from harness.report.charts.lines import DASHES, Axis, Line, Mark, Panel, panels
from harness.report.charts.works import named, not_drawn
from harness.report.overview import Work, work_of
from harness.report.tables.steps import StepRow
from harness.stats.breakeven import BreakEven
from harness.stats.estimate import Cost

MANY_STEPS: Final = 1_000_000
POINTS: Final = 17  # of a line
MOST_LINES: Final = 60  # of all charts of costs together: a page with more is large, and hard to read


def costs(rows: Sequence[StepRow], hues: Mapping[str, int], caveat: str) -> tuple[Chart, ...]:
    """Draw the cost of a training of n steps ÷ that of its baseline; a chart for each of the first works."""
    works: dict[Work, dict[str, list[tuple[StepRow, Cost, Cost]]]] = {}
    known = {row.cell: row for row in rows}
    for row in rows:
        own, base = cost_of(row), _baseline(row, known)
        if own is not None and base is not None:
            panels_of = works.setdefault(work_of(row.cell), {})
            panels_of.setdefault(row.title, []).append((row, own, base))
    totals = itertools.accumulate(sum(map(len, panels_of.values())) for panels_of in works.values())
    count = max(1, sum(total <= MOST_LINES for total in totals))
    drawn = list(works.items())[:count]
    rest = not_drawn(named(work) for work in list(works)[count:])
    return tuple(
        _chart(
            f"costs-{number}" if number > 1 else "costs",
            work,
            groups,
            hues,
            caveat,
            rest if number == len(drawn) else "",
        )
        for number, (work, groups) in enumerate(drawn, start=1)
    )


def cost_of(row: StepRow) -> Cost | None:
    """Return the first step and a further one of a training mode; None where one of them is not known."""
    if row.step_ns is None or row.first_step_ns is None or row.is_inference:
        return None
    return Cost(first_ns=row.first_step_ns.value, step_ns=row.step_ns.value)


def relative(own: Cost, base: Cost, steps: float) -> float:
    """Return the time of a training of `steps` steps ÷ that of the baseline."""
    return (own.first_ns + (steps - 1) * own.step_ns) / (base.first_ns + (steps - 1) * base.step_ns)


def _baseline(row: StepRow, known: Mapping[Cell, StepRow]) -> Cost | None:
    if row.is_baseline or not row.baseline:
        return None
    baseline = known.get(replace(row.cell, mode=row.baseline))
    return cost_of(baseline) if baseline else None


def _chart(
    name: str,
    work: Work,
    groups: Mapping[str, Sequence[tuple[StepRow, Cost, Cost]]],
    hues: Mapping[str, int],
    caveat: str,
    rest: str,
) -> Chart:
    lines = {
        title: [_line(row, own, base, at, hues) for at, (row, own, base) in enumerate(group)]
        for title, group in groups.items()
    }
    axis = _ratios(y for group in lines.values() for line in group for _, y in line.points)
    steps = Axis(
        title="steps", low=1, high=MANY_STEPS, ticks=[1, 100, 10_000, MANY_STEPS], is_log=True,
        text="format(datum.value, '~s')",
    )  # fmt: skip
    level = Line(name="", hue=0, points=[(1, 1), (MANY_STEPS, 1)], is_quiet=True)
    shown = [Panel(title=title, lines=[level, *group], x=steps, y=axis) for title, group in lines.items()]
    ring = " A ring marks the break-even." if any(line.marks for group in lines.values() for line in group) else ""
    label = f"Time of a training of {named(work)} divided by that of the baseline, against its number of steps"
    wide, narrow = (panels(shown, narrow=narrow, caveat=caveat, across=3, height=150) for narrow in (False, True))
    return Chart(
        name=name,
        title=f"A whole training beside its baseline, {named(work)}",
        about="Time of a training of n steps, the first step included, ÷ that of the baseline mode, which is the dashed"
        f" line. Above it a mode has not paid back its first step.{ring}{rest}",
        spec=None,
        svg=draw(wide, name=name, label=label),
        narrow_svg=draw(narrow, name=f"{name}-narrow", label=label),
    )


def _line(row: StepRow, own: Cost, base: Cost, at: int, hues: Mapping[str, int]) -> Line:
    counts = [float(n) for n in np.geomspace(1, MANY_STEPS, POINTS)]
    even = row.break_even.steps if isinstance(row.break_even, BreakEven) else 0
    return Line(
        name=row.cell.mode,
        hue=hues.get(row.cell.framework, 0),
        points=[(n, relative(own, base, n)) for n in counts],
        dash=at % len(DASHES),
        marks=[Mark(x=even, y=relative(own, base, even))] if 1 < even <= MANY_STEPS else (),
    )


def _ratios(values: Iterable[float]) -> Axis:
    found = [1.0, *values]
    low, high = min(found), max(found)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = len(decades) <= 3
    ticks = [step * 10.0**decade for decade in decades for step in ((1, 2, 5) if few else (1,))]
    return Axis(
        title="",
        low=low / 1.15,
        high=high * 1.15,
        ticks=[tick for tick in ticks if low / 1.15 <= tick <= high * 1.15],
        text="format(datum.value, ',.3~r') + '×'",
        is_log=True,
    )
