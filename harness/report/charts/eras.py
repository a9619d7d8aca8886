"""The timeline of the exhibit: the frameworks by period and year, and what a step of each mode takes today.

A row is a framework, with a dot for each of its modes on a logarithmic axis; a period of history has a row of its own
above its frameworks.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from harness.report.charts import expressions
from harness.report.charts.chart import Chart, Spec
from harness.report.charts.colours import GROUND, INK, LINE, QUIET
from harness.report.charts.draw import draw
from harness.report.charts.look import CHARACTER, NARROW, WIDE, framed, thinned, ticks
from harness.report.tables.eras import EraRow, by_framework

ROW: Final = 21  # px
NARROW_ROW: Final = 34
ROOM: Final = 1.3  # a factor at each end of the axis
YEAR: Final = 44  # px of the column of years
MOST_CHARACTERS: Final = 27  # of a name, before it is cut short
OTHER: Final = "var(--hue-1)"  # of a mode that is not the baseline
PERIODS: Final[Mapping[str, str]] = {
    "precursors": "Precursors",
    "war": "The war of the frameworks",
    "pytorch": "PyTorch",
    "today": "Today",
}
EMPTY: Final = dict.fromkeys(("period", "year", "title", "hole", "mode", "lines"), "")  # the texts of a row

Layer = Mapping[str, Any]
Drawn = dict[str, Any]  # a row or a dot, as the specification reads it


def timeline(rows: Sequence[EraRow], caveat: str) -> Chart | None:
    """Draw the frameworks of the exhibit by period and year; None where none has a time."""
    shown = _of_one_work(rows)
    if not any(row.step_ns for row in shown):
        return None
    label = "Time per step today, a row for each framework, by the year in which it appeared, the oldest first"
    wide, narrow = (timeline_spec(shown, narrow=narrow, caveat=caveat) for narrow in (False, True))
    return Chart(
        name="eras",
        title=f"A step of the regression today, {shown[0].cell.optimizer}, by the year of the framework",
        about="Each dot is a mode: dark the one that the framework's others are compared with, coloured the others. The"
        " fastest mode and its time stand at the end of the row, with the lines of code of the framework's program."
        " Logarithmic scale; left is faster.",
        spec=None,
        svg=draw(wide, name="eras", label=label),
        narrow_svg=draw(narrow, name="eras-narrow", label=label),
    )


def timeline_spec(rows: Sequence[EraRow], *, narrow: bool, caveat: str = "") -> Spec:
    """Return the specification of the timeline of `rows`, oldest first, which are of one work."""
    lines, dots = _drawn(rows)
    names = min(MOST_CHARACTERS, max(len(row.title) for row in rows)) * CHARACTER + 14
    left, right = (2, 8) if narrow else (YEAR + names, 230)
    values = [row.step_ns.value for row in rows if row.step_ns]
    low, high = min(values) / ROOM, max(values) * ROOM
    inside = thinned([tick for tick in ticks(values) if low <= tick <= high], 4 if narrow else 10)
    x = {
        "field": "step_ns",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [low, high], "nice": False},
        "axis": {
            "orient": "top",
            "title": None,
            "values": inside,
            "labelExpr": expressions.duration("datum.value", expressions.FEW_DIGITS),
        },
    }
    y = {"field": "at", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(lines)))}}
    width = (NARROW if narrow else WIDE) - left - right
    down = 9 if narrow else 0
    spec = {
        "width": width,
        "height": {"step": NARROW_ROW if narrow else ROW},
        "layer": [
            {"data": {"values": dots}, "encoding": {"x": x, "y": y}, "layer": _marks(down)},
            {"data": {"values": lines}, "encoding": {"y": y}, "layer": _texts(left, width, narrow=narrow)},
        ],
    }
    return framed(spec, left=left, right=right, top=26, bottom=6, caveat=caveat)


def _of_one_work(rows: Sequence[EraRow]) -> list[EraRow]:
    """Return the rows of the work that most rows have; of the first of them, where several have as many."""
    works = [(row.cell.workload, row.cell.size, row.cell.optimizer, row.cell.precision) for row in rows]
    most = max(works, key=works.count, default=None)
    return [row for row, work in zip(rows, works, strict=True) if work == most]


def _drawn(rows: Sequence[EraRow]) -> tuple[list[Drawn], list[Drawn]]:
    """Return the rows of the chart and the dots in them."""
    lines: list[Drawn] = []
    dots: list[Drawn] = []
    period, year = "", 0
    for group in by_framework(rows).values():
        first = group[0]
        if first.period != period:
            period, year = first.period, 0
            lines.append({**EMPTY, "at": len(lines), "period": PERIODS.get(period, period)})
        timed = sorted(((row.step_ns.value, row) for row in group if row.step_ns), key=itemgetter(0))
        at = len(lines)
        lines.append(
            {
                **EMPTY,
                "at": at,
                "year": str(first.era) if first.era != year else "",
                "title": _short(first.title),
                "hole": "" if timed else f"{first.status}: {first.reason}"[:90],
                "mode": timed[0][1].cell.mode if timed else "",
                "step": timed[0][0] if timed else None,
                "lines": "" if first.lines is None else f"{first.lines} lines",
            }
        )
        year = first.era
        dots += [
            {"at": at, "step_ns": step_ns, "slowest": timed[-1][0], "colour": INK if row.is_baseline else OTHER}
            for step_ns, row in timed
        ]
    return lines, dots


def _short(title: str) -> str:
    return title if len(title) <= MOST_CHARACTERS else f"{title[: MOST_CHARACTERS - 1]}…"


def _marks(down: int) -> list[Layer]:
    """Return the dots of a row, the line that joins them, and the thin line under both."""
    colour = {"field": "colour", "type": "nominal", "scale": None}
    whole = {"transform": [{"aggregate": [{"op": "min", "field": "step_ns", "as": "step_ns"}], "groupby": ["at"]}]}
    joined = [
        {
            "aggregate": [
                {"op": "min", "field": "step_ns", "as": "step_ns"},
                {"op": "max", "field": "slowest", "as": "end"},
            ],
            "groupby": ["at"],
        }
    ]
    return [
        {
            **whole,
            "mark": {"type": "rule", "color": LINE, "yOffset": down},
            "encoding": {"x": {"value": 0}, "x2": {"value": "width"}},
        },
        {
            "transform": joined,
            "mark": {"type": "rule", "color": QUIET, "strokeWidth": 1.5, "strokeOpacity": 0.6, "yOffset": down},
            "encoding": {"x2": {"field": "end"}},
        },
        {
            "mark": {"type": "circle", "size": 58, "opacity": 1, "stroke": GROUND, "yOffset": down},
            "encoding": {"color": colour},
        },
    ]


def _texts(left: float, width: float, *, narrow: bool) -> list[Layer]:
    """Return the texts of a row: year and name before it, its fastest mode, time and lines of code behind it."""
    time = {"calculate": f"isValid(datum.step) ? {expressions.duration('datum.step')} : ''", "as": "time"}
    period = _text("period", x=-left, fontWeight="bold", dy=3)
    if narrow:
        name = {"calculate": "datum.title ? (datum.year ? datum.year + ' ' : '') + datum.title : ''", "as": "name"}
        best = {"calculate": "datum.mode ? datum.mode + ' ' + datum.time : datum.hole || ''", "as": "best"}
        return [
            period,
            {"transform": [name], **_text("name", x=0, dy=-7)},
            {"transform": [time, best], **_text("best", x=width, align="right", color=QUIET, dy=-7)},
        ]
    return [
        period,
        _text("year", x=-left, color=QUIET),
        _text("title", x=-left + YEAR),
        _text("hole", x=0, color=QUIET, fontStyle="italic"),
        _text("mode", x=width + 10, color=QUIET),
        {"transform": [time], **_text("time", x=width + 166, align="right")},
        _text("lines", x=width + 228, align="right", color=QUIET),
    ]


def _text(field: str, *, x: float, **mark: Any) -> Layer:
    """Return a layer of texts at `x` px from the left of the plot; rows without the field have none."""
    return {
        "mark": {"type": "text", "align": "left", "baseline": "middle", "fontSize": 12, **mark},
        "encoding": {"x": {"value": x}, "text": {"field": field, "type": "nominal"}},
    }
