"""A chart with a row for each cell: its names, a plot of its value, and the numbers in columns beside it.

The rows are sorted by their value, the smallest first; those without a value follow, with their status. On a narrow
page the names and the numbers stand above the plot of their row. All of it is computed in the specification, from the
rows that are in the data source `cells`: a live chart sorts and compares what is left of its filter.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.report.charts.cells import CellRow, Group, longest
from harness.report.charts.chart import Spec
from harness.report.charts.colours import GROUND, LINE, QUIET
from harness.report.charts.look import CHARACTER, HUE, NARROW, WIDE, framed

SOURCE: Final = "cells"  # name of the data source
ROW: Final = 24  # px
NARROW_ROW: Final = 38
MOST_CHARACTERS: Final = 28  # of a name, before it is cut short
LEFT: Final = 8  # px between names and plot
FONTS: Final = 0.94  # the page's font may be wider than the one that a text is measured in

Layer = Mapping[str, Any]


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
    transforms: Sequence[Mapping[str, Any]]  # for `layers`
    layers: Sequence[Layer]  # the marks of a row
    values: Sequence[Value]
    comparison: str  # the row that all are compared with, when the reader chose no reference; empty: no column of it


def table(group: Group, plan: Plan, *, narrow: bool, caveat: str = "", live: bool = False) -> Spec:
    """Return the specification of a chart of `group`; a `live` one has no data and selects the group's rows."""
    names = _Names.of(group.rows)
    values = (*plan.values, *([_comparison(plan)] if plan.comparison else []))
    left = 2 if narrow else names.width
    right = 8 if narrow else sum(value.width for value in values)
    width = (NARROW if narrow else WIDE) - left - right
    shared = {"y": {"field": "key", "type": "nominal", "sort": {"field": "order", "op": "min"}, "axis": None}}
    marks = [*_moved(plan.layers, 12 if narrow else 0), _hole(plan, narrow=narrow, room=width)]
    texts = _narrow_texts(values, width) if narrow else _wide_texts(names, values, width)
    spec = {
        "width": width,
        "height": {"step": NARROW_ROW if narrow else ROW},
        "data": {"name": SOURCE} if live else {"name": SOURCE, "values": _sorted(group.rows, plan.sort)},
        "transform": [*([{"filter": group.where}] if live else []), *_transforms(plan)],
        "layer": [{"encoding": shared, "layer": [*marks, *texts]}, *_headings(values, width, narrow=narrow)],
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
        return cls(*(min(MOST_CHARACTERS, longest(rows, key)) * CHARACTER + 14 for key in ("title", "mode")))

    @property
    def width(self) -> float:
        return self.title + self.mode + LEFT


def _transforms(plan: Plan) -> list[Mapping[str, Any]]:
    """Return what every row gets: a key, its place, and its ratio to the least or to the reader's reference."""
    own = f"datum[{json.dumps(plan.sort)}]"
    return [
        {"calculate": "datum.framework + '\\n' + datum.mode", "as": "key"},
        {"calculate": f"isValid({own}) ? {own} : 1e300", "as": "order"},
        {
            "joinaggregate": [
                {"op": "min", "field": plan.sort, "as": "least"},
                {"op": "max", "field": "ratio", "as": "most_ratio"},
            ]
        },
        {
            "calculate": f"isValid(datum.most_ratio) ? datum.ratio : isValid({own}) ? {own} / datum.least : null",
            "as": "compared",
        },
        *plan.transforms,
    ]


def _comparison(plan: Plan) -> Value:
    """Return the column of ratios."""
    heading = f"isValid(datum.most_ratio) ? '÷ reference' : '÷ {plan.comparison}'"
    text = "format(datum.compared, datum.compared >= 1000 ? ',.3r' : '.3r') + '×'"
    shown = f"isValid(datum.compared) ? (datum.compared == 1 ? '1×' : {text}) : ''"
    return Value(heading=heading, text=shown, width=82, narrow_width=58)


def _moved(layers: Sequence[Layer], down: float) -> list[Layer]:
    return [{**layer, "mark": {**layer["mark"], "yOffset": down}} for layer in layers] if down else list(layers)


def _text(expression: str, *, x: float, **mark: Any) -> Layer:
    """Return a layer of texts at `x` px from the left of the plot."""
    return {
        "transform": [{"calculate": expression, "as": "text"}],
        "mark": {"type": "text", "align": "left", "baseline": "middle", **mark},
        "encoding": {"x": {"value": x}, "text": {"field": "text"}},
    }


def _hole(plan: Plan, *, narrow: bool, room: float) -> Layer:
    """Return the layer that says why a row has no value."""
    own = f"datum[{json.dumps(plan.sort)}]"
    why = "datum.status == 'ok' ? 'not measured' : datum.status + (datum.reason ? ': ' + datum.reason : '')"
    layer = _text(why, x=0, color=QUIET, fontStyle="italic", limit=room * FONTS, dy=10 if narrow else 0)
    return {**layer, "transform": [{"filter": f"!isValid({own})"}, *layer["transform"]]}


def _wide_texts(names: _Names, values: Sequence[Value], width: float) -> list[Layer]:
    layers = [
        _text("datum.title", x=-names.width, limit=names.title - 8),
        _text("datum.mode", x=-names.mode - LEFT, limit=names.mode - 8),
    ]
    for number, (value, at) in enumerate(_placed(values, width, narrow=False)):
        quiet = {} if number == 0 else {"color": QUIET}
        layers.append(_text(value.text, x=at, align="right", **quiet))
    return layers


def _narrow_texts(values: Sequence[Value], width: float) -> list[Layer]:
    right = sum(value.narrow_width for value in values)
    layers = [_text("datum.title + ' ' + datum.mode", x=0, dy=-8, limit=(width - right) * FONTS)]
    for number, (value, at) in enumerate(_placed(values, width, narrow=True)):
        quiet = {} if number == 0 else {"color": QUIET}
        layers.append(_text(value.text, x=at, align="right", dy=-8, **quiet))
    return layers


def _placed(values: Sequence[Value], width: float, *, narrow: bool) -> list[tuple[Value, float]]:
    """Return each column with its right end in px from the left of the plot."""
    widths = [value.narrow_width if narrow else value.width for value in values]
    start = width - sum(widths) if narrow else width
    return list(zip(values, itertools.accumulate(widths[1:], initial=start + widths[0]), strict=True))


def _headings(values: Sequence[Value], width: float, *, narrow: bool) -> list[Layer]:
    """Return the headings of the columns, each once; on a narrow page above the ticks."""
    once = [{"aggregate": [{"op": "max", "field": "most_ratio", "as": "most_ratio"}]}]
    layers = []
    for value, at in _placed(values, width, narrow=narrow):
        layer = _text(value.heading, x=at, align="right", baseline="alphabetic", color=QUIET, fontSize=11)
        above = {**layer["encoding"], "y": {"value": -26 if narrow else -8}}
        layers.append({**layer, "transform": [*once, *layer["transform"]], "encoding": above})
    return layers


def across(field: str, axis: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the horizontal position of `field` on the axis of the chart."""
    return {"field": field, "type": "quantitative", **axis}


def guide(axis: Mapping[str, Any], *, start: str, end: str) -> Layer:
    """Return the thin line along each row that has a value."""
    return {
        "mark": {"type": "rule", "color": LINE},
        "encoding": {"x": across(start, axis), "x2": {"field": end}},
    }


def dots(
    field: str, axis: Mapping[str, Any], *, hollow: bool = False, tooltip: Sequence[Mapping[str, str]] = ()
) -> Layer:
    """Return a dot for each row; a `hollow` one shows what is not the main value or no training."""
    look = {"fill": GROUND, "strokeWidth": 1.8} if hollow else {"filled": True}
    return {
        "mark": {"type": "point", "shape": "circle", "size": 64, "opacity": 1, **look},
        "encoding": {"x": across(field, axis), ("stroke" if hollow else "color"): HUE, **_shows(tooltip)},
    }


def _shows(tooltip: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    return {"tooltip": [{"type": "nominal", **field} for field in tooltip]} if tooltip else {}
