"""A chart with a row for each cell: its names, a plot of its value, and the numbers in columns beside it.

The rows are sorted by their value, the smallest first; those without a value follow, with their status. On a narrow
page the names and the numbers stand above the plot of their row. All of it is computed in the specification, from the
rows that are in the data source `cells`: a live chart sorts and compares what is left of its filter.

Texts are cut short by their number of characters, not by their width: to measure one takes a picture as long as to
draw a row.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.report.charts.cells import CellRow, Group, longest
from harness.report.charts.chart import Spec
from harness.report.charts.colours import GROUND, LINE, QUIET
from harness.report.charts.look import CHARACTER, COLOUR, HUE, NARROW, WIDE, framed

SOURCE: Final = "cells"  # name of the data source
ROW: Final = 24  # px
NARROW_ROW: Final = 38
MOST_CHARACTERS: Final = 28  # of a name, before it is cut short
LEFT: Final = 8  # px between names and plot

Layer = Mapping[str, Any]
Transforms = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number beside the plot, in a column of its own."""

    heading: str  # an expression of Vega
    text: str  # an expression of Vega over the fields of a row
    width: int  # px
    narrow_width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a chart of this kind shows."""

    sort: str  # the field that is sorted by; a row without it has its status instead
    transforms: Transforms  # for `layers`
    axis: Mapping[str, Any]  # scale and axis of the horizontal position
    layers: Sequence[Layer]  # the marks of a row; each has a horizontal position
    values: Sequence[Value]
    comparison: str  # the row that all are compared with, when the reader chose no reference; empty: no column of it
    tips: Mapping[str, str]  # what a live chart says of a row: heading, and an expression over its fields


def table(group: Group, plan: Plan, *, narrow: bool, caveat: str = "", live: bool = False) -> Spec:
    """Return the specification of a chart of `group`; a `live` one has no data and selects the group's rows."""
    names = _Names.of(group.rows)
    values = (*plan.values, *([_comparison(plan)] if plan.comparison else []))
    left = 2 if narrow else names.width
    right = 8 if narrow else sum(value.width for value in values)
    width = (NARROW if narrow else WIDE) - left - right
    placed = _placed(values, width, narrow=narrow)
    shared: dict[str, Any] = {
        "y": {"field": "key", "type": "nominal", "sort": {"field": "order", "op": "min"}, "axis": None},
        **({"tooltip": [{"field": f"tip_{name}", "title": name} for name in plan.tips]} if live else {}),
    }
    has_holes = live or any(row[plan.sort] is None for row in group.rows)
    marks = [*_marks(plan, 12 if narrow else 0), *([_hole(narrow=narrow)] if has_holes else [])]
    texts = _narrow_texts(placed) if narrow else _wide_texts(names, placed)
    room = int((width if narrow else WIDE - left) / CHARACTER)
    spec = {
        "width": width,
        "height": {"step": NARROW_ROW if narrow else ROW},
        "data": {"name": SOURCE} if live else {"name": SOURCE, "values": _sorted(group.rows, plan.sort)},
        "transform": [
            *([{"filter": group.where}] if live else []),
            *_transforms(plan, room),
            *_texts(values, width, narrow=narrow),
            *(({"calculate": text, "as": f"tip_{name}"} for name, text in plan.tips.items()) if live else ()),
        ],
        "layer": [
            {"encoding": shared, "layer": [*marks, *texts]},
            *_headings(placed, narrow=narrow),
        ],
    }
    return framed(spec, left=left, right=right, top=44 if narrow else 26, bottom=4, caveat=caveat)


def _sorted(rows: Sequence[CellRow], key: str) -> list[CellRow]:
    """Return the rows in the order in which they are drawn, so that the texts of the picture are read in it."""
    return sorted(rows, key=lambda row: (row[key] is None, row[key] or 0))


@dataclass(frozen=True, slots=True)
class _Names:
    """The widths of the columns of names, in px."""

    title: float
    mode: float

    @classmethod
    def of(cls, rows: Sequence[CellRow]) -> "_Names":
        return cls(*(round(min(MOST_CHARACTERS, longest(rows, key)) * CHARACTER + 14) for key in ("title", "mode")))

    @property
    def width(self) -> float:
        return self.title + self.mode + LEFT


def _transforms(plan: Plan, room: int) -> list[Mapping[str, Any]]:
    """Return what every row gets: a key, its place, its colour, and its ratio to the least or to the reference."""
    own = f"datum.{plan.sort}"
    why = "datum.status == 'ok' ? 'not measured' : datum.status + (datum.reason ? ': ' + datum.reason : '')"
    return [
        {"calculate": "datum.framework + '\\n' + datum.mode", "as": "key"},
        {"calculate": f"isValid({own}) ? {own} : 1e300", "as": "order"},
        COLOUR,
        {
            "joinaggregate": [
                {"op": "min", "field": plan.sort, "as": "least"},
                {"op": "valid", "field": "ratio", "as": "ratios"},
            ]
        },
        {
            "calculate": f"datum.ratios ? datum.ratio : isValid({own}) ? {own} / datum.least : null",
            "as": "compared",
        },
        {"calculate": f"isValid({own}) ? '' : truncate({why}, {room})", "as": "hole"},
        *plan.transforms,
    ]


def _texts(values: Sequence[Value], width: float, *, narrow: bool) -> list[Mapping[str, Any]]:
    """Return the names and the numbers of a row as texts."""
    numbers: list[Mapping[str, Any]] = [
        {"calculate": value.text, "as": f"text_{at}"} for at, value in enumerate(values)
    ]
    if not narrow:
        short = (f"truncate(datum.{name}, {MOST_CHARACTERS})" for name in ("title", "mode"))
        return [*({"calculate": text, "as": f"short_{at}"} for at, text in enumerate(short)), *numbers]
    room = int((width - sum(value.narrow_width for value in values)) / CHARACTER)
    return [{"calculate": f"truncate(datum.title + ' ' + datum.mode, {room})", "as": "short_0"}, *numbers]


def _comparison(plan: Plan) -> Value:
    """Return the column of ratios."""
    text = "isValid(datum.compared) ? (datum.compared == 1 ? '1×' : format(datum.compared, ',.3r') + '×') : ''"
    heading = f"datum.ratios ? '÷ reference' : '÷ {plan.comparison}'"
    return Value(heading=heading, text=text, width=82, narrow_width=58)


def _marks(plan: Plan, down: float) -> list[Layer]:
    """Return the marks, `down` px below the middle of their row; the first brings the axis that all share."""
    first, *others = plan.layers
    encoding = {**first["encoding"], "x": {**first["encoding"]["x"], **plan.axis}}
    layers = [{**first, "encoding": encoding}, *others]
    return [{**layer, "mark": {**layer["mark"], "yOffset": down}} for layer in layers] if down else layers


def _text(field: str, *, x: float, **mark: Any) -> Layer:
    """Return a layer of texts at `x` px from the left of the plot."""
    return {
        "mark": {"type": "text", "align": "left", "baseline": "middle", **mark},
        "encoding": {"x": {"value": x}, "text": {"field": field}},
    }


def _hole(*, narrow: bool) -> Layer:
    """Return the layer that says why a row has no value."""
    return _text("hole", x=0, color=QUIET, fontStyle="italic", dy=10 if narrow else 0)


def _wide_texts(names: _Names, placed: Sequence[tuple[Value, float]]) -> list[Layer]:
    return [
        _text("short_0", x=-names.width),
        _text("short_1", x=-names.mode - LEFT),
        *_numbers(placed),
    ]


def _narrow_texts(placed: Sequence[tuple[Value, float]]) -> list[Layer]:
    return [_text("short_0", x=0, dy=-8), *_numbers(placed, dy=-8)]


def _numbers(placed: Sequence[tuple[Value, float]], **mark: Any) -> list[Layer]:
    """Return the columns of numbers; the first is the value itself."""
    return [
        _text(f"text_{number}", x=at, align="right", **mark, **({"color": QUIET} if number else {}))
        for number, (_, at) in enumerate(placed)
    ]


def _placed(values: Sequence[Value], width: float, *, narrow: bool) -> list[tuple[Value, float]]:
    """Return each column with its right end in px from the left of the plot."""
    widths = [value.narrow_width if narrow else value.width for value in values]
    start = width - sum(widths) if narrow else width
    return list(zip(values, itertools.accumulate(widths[1:], initial=start + widths[0]), strict=True))


def _headings(placed: Sequence[tuple[Value, float]], *, narrow: bool) -> list[Layer]:
    """Return the headings of the columns, each once; on a narrow page above the ticks."""
    once = [{"aggregate": [{"op": "max", "field": "ratios", "as": "ratios"}]}]
    headings = [{"calculate": value.heading, "as": f"heading_{at}"} for at, (value, _) in enumerate(placed)]
    layers = [
        _text(f"heading_{number}", x=at, align="right", baseline="alphabetic", color=QUIET, fontSize=11)
        for number, (_, at) in enumerate(placed)
    ]
    y = {"value": -26 if narrow else -8}
    return [{"transform": [*once, *headings], "encoding": {"y": y}, "layer": layers}]


def across(field: str) -> Mapping[str, Any]:
    """Return the horizontal position of `field` on the axis of the chart."""
    return {"field": field, "type": "quantitative"}


def guide() -> Layer:
    """Return the thin line along each row that has a value, from the field `start` to the field `end`."""
    return {
        "mark": {"type": "rule", "color": LINE},
        "encoding": {"x": across("start"), "x2": {"field": "end"}},
    }


def dots(field: str, *, hollow: bool = False) -> Layer:
    """Return a dot for each row; a `hollow` one shows what is not the main value or no training."""
    look = {"fill": GROUND, "strokeWidth": 1.8} if hollow else {"filled": True}
    return {
        "mark": {"type": "point", "shape": "circle", "size": 64, "opacity": 1, **look},
        "encoding": {"x": across(field), ("stroke" if hollow else "color"): HUE},
    }
