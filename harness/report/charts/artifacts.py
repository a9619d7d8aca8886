"""The chart of artifacts: the latency of a path against the size of its exported file, a panel for each work."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from harness.report.charts import expressions
from harness.report.charts.chart import Chart
from harness.report.charts.draw import draw
from harness.report.charts.lines import Axis, Line, Panel, panels
from harness.report.charts.look import thinned, ticks
from harness.report.charts.works import not_drawn
from harness.report.tables.inference import InferenceRow
from harness.report.tables.paths import work_name

MOST_PANELS: Final = 6
ROOM: Final = 1.5  # a factor at each end of an axis: more than a factor of two together, so it has a power of two


def artifacts(rows: Sequence[InferenceRow], hues: Mapping[str, int], caveat: str) -> Chart | None:
    """Draw a dot for each path that has a time and a file, at the smallest batch of its work."""
    drawable = [row for row in rows if row.status == "ok" and row.call_ns and row.export and row.export.size_bytes]
    if not drawable:
        return None
    least = {work: min(row.cell.batch for row in drawable if _work(row) == work) for work in map(_work, drawable)}
    works: dict[str, list[InferenceRow]] = {}
    for row in drawable:
        if row.cell.batch == least[_work(row)]:
            works.setdefault(f"{_work(row)}, batch {row.cell.batch}", []).append(row)
    rest = not_drawn(list(works)[MOST_PANELS:])
    shown = [_panel(title, of, hues) for title, of in list(works.items())[:MOST_PANELS]]
    label = "Time of a call against the size of the exported file, on logarithmic scales, one panel for each work"
    wide, narrow = (panels(shown, narrow=narrow, caveat=caveat, height=220) for narrow in (False, True))
    return Chart(
        name="artifacts",
        title="Latency against the size of the artifact",
        about="A dot is a path, named by its engine and its mode; the line leads to its name. Lower is faster, further"
        f" left is smaller. Frameworks' own forward passes have no file.{rest}",
        spec=None,
        svg=draw(wide, name="artifacts", label=label),
        narrow_svg=draw(narrow, name="artifacts-narrow", label=label),
    )


def _work(row: InferenceRow) -> str:
    return work_name(row.cell)


def _panel(title: str, rows: Sequence[InferenceRow], hues: Mapping[str, int]) -> Panel:
    points = [(float(row.export.size_bytes), row.call_ns.value) for row in rows if row.export and row.call_ns]
    return Panel(
        title=title,
        x=_sizes([x for x, _ in points]),
        y=_times([y for _, y in points]),
        lines=[
            Line(
                name=f"{row.title} {row.cell.mode}",
                hue=hues.get(row.cell.framework, 0),
                points=[point],
                has_points=True,
            )
            for row, point in zip(rows, points, strict=True)
        ],
    )


def _sizes(values: Sequence[float]) -> Axis:
    low, high = min(values) / ROOM, max(values) * ROOM
    powers = [2.0**power for power in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]
    text = "datum.value >= 1048576 ? datum.value / 1048576 + ' MiB' : datum.value / 1024 + ' KiB'"
    return Axis(title="size of the file", low=low, high=high, ticks=thinned(powers, 6), text=text, is_log=True)


def _times(values: Sequence[float]) -> Axis:
    low, high = min(values) / ROOM, max(values) * ROOM
    inside = [tick for tick in ticks(values) if low <= tick <= high]
    text = expressions.duration("datum.value", expressions.FEW_DIGITS)
    return Axis(title="", low=low, high=high, ticks=thinned(inside, 6), text=text, is_log=True)
