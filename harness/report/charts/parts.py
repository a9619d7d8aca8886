"""The chart of the parts of memory: one bar for each mode, up to the peak.

On a GPU the parts are context, allocated, reserved but not allocated, and what the allocator does not count. On a CPU
they are the resident set after the imports, what building the model added, and what training added at its peak.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.report.charts import expressions
from harness.report.charts.cells import Group
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.draw import draw
from harness.report.charts.look import HUE
from harness.report.charts.peak import memory_axis
from harness.report.charts.table import Layer, Plan, Value, across, table
from harness.report.charts.works import named, not_drawn
from harness.report.overview import work_of
from harness.report.tables.memory import MemoryRow
from harness.stats.memory import Figures

OPACITIES: Final = (0.3, 0.6, 1.0, 0.15)  # of the parts, from left to right

Part = tuple[str, int]  # name, bytes


def parts(rows: Sequence[MemoryRow], hues: Mapping[str, int], caveat: str) -> Chart | None:
    """Draw a bar for each row of the first work whose parts are known; None when no row has them."""
    with_parts = [(row, parts) for row in rows if row.status == "ok" and (parts := parts_of(row.figures))]
    if not with_parts:
        return None
    work = work_of(with_parts[0][0].cell)
    drawn = [(row, parts) for row, parts in with_parts if work_of(row.cell) == work]
    names = [name for name, _ in drawn[0][1]]
    drawn = [(row, parts) for row, parts in drawn if [name for name, _ in parts] == names]
    rest = not_drawn(named(work_of(row.cell)) for row, _ in with_parts if work_of(row.cell) != work)
    group = Group(work=work, is_inference=False, rows=tuple(_row(row, parts, hues) for row, parts in drawn))
    wide, narrow = (parts_spec(group, len(names), narrow=narrow, caveat=caveat) for narrow in (False, True))
    label = "Peak memory of every framework and mode, divided into its parts"
    return Chart(
        name="memory-parts",
        title=f"Parts of the peak memory, {named(work)}",
        about=f"From left to right: {', '.join(names)}. The number is their sum.{rest}",
        spec=None,
        svg=draw(wide, name="memory-parts", label=label),
        narrow_svg=draw(narrow, name="memory-parts-narrow", label=label),
    )


def parts_spec(group: Group, count: int, *, narrow: bool, caveat: str = "") -> Spec:
    """Return the specification of the chart of `count` parts."""
    most = max(row["end"] for row in group.rows)
    axis = memory_axis(most, narrow=narrow)
    bars: list[Layer] = [
        {
            "mark": {"type": "rect", "height": 10, "fillOpacity": opacity},
            "encoding": {"x": across(f"part_{at}"), "x2": {"field": f"part_{at + 1}"}, "color": HUE},
        }
        for at, opacity in enumerate(OPACITIES[:count])
    ]
    value = Value(heading="'sum'", text=expressions.mebibytes("datum.end"), width=92, narrow_width=70)
    plan = Plan(sort="end", transforms=(), axis=axis, layers=bars, values=(value,), comparison="", tips={})
    return table(group, plan, narrow=narrow, caveat=caveat)


def parts_of(figures: Figures) -> tuple[Part, ...]:
    """Return the parts of a bar from left to right; empty when one is not known."""
    context, allocated, reserved = figures.context_bytes, figures.allocated_peak_bytes, figures.reserved_peak_bytes
    if context is not None and allocated is not None and reserved is not None:
        unexplained = max(0, figures.unexplained_bytes or 0)
        beyond = max(0, reserved - allocated)
        return (
            ("context", context),
            ("allocated", allocated),
            ("reserved, not allocated", beyond),
            ("unexplained", unexplained),
        )
    imported, built, peak = figures.import_rss_bytes, figures.build_rss_bytes, figures.training_peak_rss_bytes
    if imported is None or built is None or peak is None:
        return ()
    return (
        ("imports", imported),
        ("device and model built", max(0, built - imported)),
        ("training, at its peak", max(0, peak - max(built, imported))),
    )


def _row(row: MemoryRow, parts: Sequence[Part], hues: Mapping[str, int]) -> Mapping[str, Any]:
    """Return the row of a bar: its names, the ends of its parts in bytes, and the sum."""
    ends = list(itertools.accumulate((size for _, size in parts), initial=0))
    return {
        "framework": row.cell.framework_id,
        "title": row.title,
        "mode": row.cell.mode,
        "status": row.status,
        "reason": "",
        "ratio": None,
        "hue": hues.get(row.cell.framework, 0),
        **{f"part_{at}": end for at, end in enumerate(ends)},
        "end": ends[-1],
    }
