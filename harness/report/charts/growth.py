"""The chart of growth: time per step against the operations of a step, a panel for each workload, logarithmic axes."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.records.record import Cell
from harness.report.charts import expressions
from harness.report.charts.chart import Chart
from harness.report.charts.draw import draw
from harness.report.charts.lines import DASHES, Axis, Line, Mark, Panel, panels
from harness.report.charts.look import thinned, ticks
from harness.report.charts.works import not_drawn
from harness.report.tables.growth import CrossoverRow, GrowthRow, line_of

MOST_PANELS: Final = 6
ROOM: Final = 1.3  # a factor at each end of an axis

Work = tuple[str, ...]


def growth(
    rows: Sequence[GrowthRow], crossovers: Sequence[CrossoverRow], hues: Mapping[str, int], caveat: str
) -> Chart | None:
    """Draw every mode over its sizes, with a ring at the size from which it is faster than its baseline.

    A workload with a time at one size only has no panel: nothing grows in it.
    """
    works: dict[Work, list[GrowthRow]] = {}
    for row in rows:
        if row.step_ns is not None:
            cell = row.cell
            key = (cell.workload, cell.optimizer, cell.precision, cell.device, cell.allocator)
            works.setdefault(key, []).append(row)
    grown = {work: group for work, group in works.items() if len({row.work.flops for row in group}) > 1}
    if not grown:
        return None
    drawn = dict(list(grown.items())[:MOST_PANELS])
    rest = not_drawn(_named(work, grown) for work in list(grown)[MOST_PANELS:])
    ahead = {row.cell: row.ahead_from for row in crossovers}
    y = _times([row for group in drawn.values() for row in group])
    shown = [_panel(_named(work, grown), group, ahead, hues, y) for work, group in drawn.items()]
    rings = any(line.marks for panel in shown for line in panel.lines)
    ring = " A ring marks the size from which a mode is faster than its baseline." if rings else ""
    label = "Time per step against the operations of a step, on logarithmic scales, one panel for each workload"
    wide, narrow = (panels(shown, narrow=narrow, caveat=caveat, height=240) for narrow in (False, True))
    return Chart(
        name="growth",
        title="Time per step as the work grows",
        about=f"Each panel is one workload, from its smallest size to its largest, by the operations of a step.{ring}"
        " Where a line is flat, the time does not depend on the work; where it rises like the dashed line, the time"
        f" grows in proportion to the work.{rest}",
        spec=None,
        svg=draw(wide, name="growth", label=label),
        narrow_svg=draw(narrow, name="growth-narrow", label=label),
    )


def _named(work: Work, works: Mapping[Work, object]) -> str:
    """Return a workload with what differs between the works."""
    parts = [part for at, part in enumerate(work) if at == 0 or len({other[at] for other in works}) > 1]
    return " ".join(parts)


def _times(rows: Sequence[GrowthRow]) -> Axis:
    values = [row.step_ns.value for row in rows if row.step_ns is not None]
    low, high = min(values) / ROOM, max(values) * ROOM
    return Axis(
        title="",
        low=low,
        high=high,
        ticks=[tick for tick in thinned(ticks(values), 12) if low <= tick <= high],
        text=expressions.duration("datum.value", expressions.FEW_DIGITS),
        is_log=True,
    )


def _panel(title: str, rows: Sequence[GrowthRow], ahead: Mapping[Cell, str], hues: Mapping[str, int], y: Axis) -> Panel:
    lines: dict[Cell, list[GrowthRow]] = {}
    for row in rows:
        lines.setdefault(line_of(row.cell), []).append(row)
    sizes = {row.work.name: float(row.work.flops) for row in rows}
    low, high = min(sizes.values()), max(sizes.values())
    return Panel(
        title=title,
        x=Axis(title="", low=low / ROOM, high=high * ROOM, ticks=list(sizes.values()), text="''", is_log=True),
        y=y,
        columns=sizes,
        lines=[_proportional(rows, y), *_lines(lines, ahead, hues)],
    )


def _proportional(rows: Sequence[GrowthRow], y: Axis) -> Line:
    """Return the line of a time in proportion to the work, from the shortest step of the panel on."""
    start = min(row.step_ns.value for row in rows if row.step_ns is not None)
    least, most = (float(end(row.work.flops for row in rows)) for end in (min, max))
    last = min(most, least * y.high / start)
    return Line(name="", hue=0, points=[(least, start), (last, start * last / least)], is_quiet=True)


def _lines(lines: Mapping[Cell, Sequence[GrowthRow]], ahead: Mapping[Cell, str], hues: Mapping[str, int]) -> list[Line]:
    drawn, counts = [], dict.fromkeys((cell.framework for cell in lines), 0)
    for cell, rows in lines.items():
        points = [(float(row.work.flops), row.step_ns.value) for row in rows if row.step_ns is not None]
        # faster from the smallest size on is no crossover
        crossed = [point for row, point in zip(rows, points, strict=True) if row.cell.size == ahead.get(cell)]
        drawn.append(
            Line(
                name=f"{rows[0].title} {cell.mode}",
                hue=hues.get(cell.framework, 0),
                points=points,
                dash=counts[cell.framework] % len(DASHES),
                marks=[Mark(x=x, y=y) for x, y in crossed if (x, y) != points[0]],
                has_points=True,
            )
        )
        counts[cell.framework] += 1
    return drawn
