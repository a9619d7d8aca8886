"""Charts of lines: panels side by side, on a narrow page one below another; each line is named at its end.

The names keep a distance from each other, and a thin line leads from the end of each line to its name: there is no
legend to look things up in.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.report.charts.chart import Spec
from harness.report.charts.colours import GROUND, INK, LINE, QUIET, WRONG
from harness.report.charts.look import CAVEAT, CHARACTER, CONFIG, HUE, NARROW, WIDE

DASHES: Final = ([1, 0], [5, 2.5], [1.5, 2], [7, 2.5, 1.5, 2.5])
SPACING: Final = 13  # px between two names
MOST_NAME: Final = 30  # characters
LEFT: Final = 62  # px left of the first panel, for the names of its ticks
BETWEEN: Final = 14  # px between the names of a panel's lines and the next panel
LEAD: Final = 14  # px of the line that leads to a name
TITLE: Final = 24  # px above a panel
BELOW: Final = 44  # px below a panel: ticks and the name of the axis
MOST_POINTS: Final = 80  # of a line, about one for 3 px


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark on a line."""

    x: float
    y: float
    shape: str = "circle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a panel."""

    name: str  # at its end; empty: none
    hue: int  # number of the CSS variable
    points: Sequence[tuple[float, float]]
    dash: int = 0
    level: float | None = None  # height of the name at the right edge; None: the name belongs to the last point
    end: tuple[float, float] | None = None  # what the name belongs to where there are no points
    is_quiet: bool = False  # a thin dotted line of reference
    marks: Sequence[Mark] = ()
    has_points: bool = False  # a dot at each point

    def ends_at(self, right: float) -> tuple[float, float] | None:
        """Return the place that its name belongs to; `right` is that of the right edge."""
        if self.level is not None:
            return right, self.level
        return self.points[-1] if self.points else self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale and its ticks."""

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    text: str  # the text of a tick, an expression of Vega over datum.value
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where `value` lies between the ends, 0 to 1."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def spec(self, **more: Any) -> dict[str, Any]:
        """Return scale and axis as Vega-Lite has them."""
        scale = {"type": "log" if self.is_log else "linear", "domain": [self.low, self.high], "nice": False}
        axis = {"title": self.title or None, "values": list(self.ticks), "labelExpr": self.text, **more}
        return {"scale": scale if self.is_log else {**scale, "zero": False}, "axis": axis}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel."""

    title: str
    lines: Sequence[Line]
    x: Axis
    y: Axis
    columns: Mapping[str, float] | None = None  # names of places on the horizontal axis, instead of its ticks


def panels(shown: Sequence[Panel], *, narrow: bool, caveat: str, across: int = 2, height: int = 190) -> Spec:
    """Return the specification of panels, `across` of them side by side, one on a narrow page."""
    across = 1 if narrow else min(across, len(shown))
    total = NARROW if narrow else WIDE
    names = max((len(line.name) for panel in shown for line in panel.lines), default=0)
    right = LEAD + 8 + min(MOST_NAME, names) * CHARACTER
    has_shared_y = len({(panel.y.low, panel.y.high) for panel in shown}) == 1
    between = BETWEEN if has_shared_y else LEFT
    width = (total - LEFT - (across - 1) * between) / across - right
    tallest = max(height, max(sum(bool(line.name) for line in panel.lines) for panel in shown) * SPACING)
    top = TITLE + 4 + (CAVEAT if caveat else 0)
    views = [
        _view(panel, width, tallest, is_first=at % across == 0 or not has_shared_y, is_last=at >= len(shown) - across)
        for at, panel in enumerate(shown)
    ]
    if caveat:
        views[0]["layer"].append(_said(caveat, x=-LEFT, y=-TITLE - CAVEAT, baseline="top", color=WRONG, fontSize=11))
    down = math.ceil(len(shown) / across)
    return {
        "usermeta": {"size": [total, math.ceil(down * (tallest + TITLE + BELOW) + top - TITLE)]},
        "background": None,
        "autosize": {"type": "none"},
        "padding": {"left": LEFT, "right": right, "top": top, "bottom": BELOW},
        "config": CONFIG,
        "concat": views,
        "columns": across,
        "spacing": {"row": TITLE + BELOW, "column": between + right},
        "bounds": "flush",
    }


def spread(wanted: Sequence[float], height: float, gap: float = SPACING) -> list[float]:
    """Return places near those `wanted`, in order, `gap` apart and within `height` where there is room.

    Neighbours that are too close form a group around the mean of what they want: the least squares solution, by
    pooling adjacent violators (Ayer et al. 1955, Ann. Math. Stat. 26).
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    groups: list[list[float]] = []  # each: sum of what its members want of its first place, their number
    for position in order:
        groups.append([wanted[position], 1])
        while len(groups) > 1 and _first(groups[-2]) + groups[-2][1] * gap > _first(groups[-1]):
            total, count = groups.pop()
            groups[-1][0] += total - count * groups[-1][1] * gap
            groups[-1][1] += count
    placed = [_first(group) + at * gap for group in groups for at in range(int(group[1]))]
    lowest = height - (len(placed) - 1) * gap
    inside = [max(at * gap, min(place, lowest + at * gap)) for at, place in enumerate(placed)]
    return [inside[order.index(position)] for position in range(len(wanted))]


def _first(group: Sequence[float]) -> float:
    return group[0] / group[1]


def shortened(name: str) -> str:
    """Return a name that has room at the end of a line."""
    return name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"


def thin(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Return at most about `most` of the points of a line: of each stretch its lowest and its highest, in order."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most / 2 - 1))
    kept = {0, len(points) - 1}
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        kept |= {min(stretch, key=lambda at: points[at][1]), max(stretch, key=lambda at: points[at][1])}
    return [points[at] for at in sorted(kept)]


def _view(panel: Panel, width: float, height: float, *, is_first: bool, is_last: bool) -> dict[str, Any]:
    """Return one panel; the names of the ticks are at the left end of a row, that of the axis below the last ones."""
    x, y = panel.x.spec(grid=panel.columns is None), panel.y.spec(labels=is_first)
    x["axis"] |= {"labels": panel.columns is None, "title": panel.x.title if is_last else None}
    place = {"x": {"field": "x", "type": "quantitative", **x}, "y": {"field": "y", "type": "quantitative", **y}}
    rows = [
        {"line": at, "x": point[0], "y": point[1], "colour": _colour(line), "dash": line.dash}
        for at, line in enumerate(panel.lines)
        if not line.is_quiet
        for point in line.points
    ]
    layers = [
        *_columns(panel, height),
        *(_quiet(line, place) for line in panel.lines if line.is_quiet),
        _lines(rows, place),
        *_dots(panel, place),
        *_marks(panel, place),
        *_names(panel, width, height),
        _said(panel.title, x=0, y=-8, baseline="alphabetic", fontWeight="bold", fontSize=12),
    ]
    return {"width": width, "height": height, "layer": layers}


def _said(text: str, *, x: float, y: float, **mark: Any) -> dict[str, Any]:
    return {
        "data": {"values": [{"text": text}]},
        "mark": {"type": "text", "align": "left", **mark},
        "encoding": {"text": {"field": "text", "type": "nominal"}, "x": {"value": x}, "y": {"value": y}},
    }


def _lines(rows: Sequence[Mapping[str, Any]], place: Mapping[str, Any]) -> dict[str, Any]:
    dash = {
        "field": "dash",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": list(range(len(DASHES))), "range": list(DASHES)},
    }
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "line", "strokeWidth": 1.6, "clip": False},
        "encoding": {**place, "detail": {"field": "line"}, "color": HUE, "strokeDash": dash},
    }


def _colour(line: Line) -> str:
    return f"var(--hue-{line.hue})"


def _quiet(line: Line, place: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "data": {"values": [{"x": x, "y": y} for x, y in line.points]},
        "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [3, 3], "color": QUIET},
        "encoding": place,
    }


def _dots(panel: Panel, place: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [
        {"x": x, "y": y, "colour": _colour(line)} for line in panel.lines if line.has_points for x, y in line.points
    ]
    mark = {"type": "point", "shape": "circle", "filled": True, "size": 24, "opacity": 1}
    return [{"data": {"values": rows}, "mark": mark, "encoding": {**place, "color": HUE}}] if rows else []


def _marks(panel: Panel, place: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the marks on the lines: hollow, in the colour of their line; a layer for each shape."""
    shapes = dict.fromkeys(mark.shape for line in panel.lines for mark in line.marks)
    return [
        {
            "data": {
                "values": [
                    {"x": mark.x, "y": mark.y, "colour": _colour(line)}
                    for line in panel.lines
                    for mark in line.marks
                    if mark.shape == shape
                ]
            },
            "mark": {"type": "point", "shape": shape, "size": 44, "fill": GROUND, "strokeWidth": 1.6, "opacity": 1},
            "encoding": {**place, "stroke": HUE},
        }
        for shape in shapes
    ]


def _columns(panel: Panel, height: float) -> list[dict[str, Any]]:
    """Return a line and a name for each named place on the horizontal axis."""
    if not panel.columns:
        return []
    at = {"field": "x", "type": "quantitative", **panel.x.spec(grid=False, labels=False)}
    data = {"values": [{"name": name, "x": x} for name, x in panel.columns.items()]}
    text = {"type": "text", "baseline": "top", "color": QUIET, "fontSize": 11}
    return [
        {"data": data, "mark": {"type": "rule", "color": LINE}, "encoding": {"x": at}},
        {
            "data": data,
            "mark": text,
            "encoding": {"x": at, "y": {"value": height + 8}, "text": {"field": "name", "type": "nominal"}},
        },
    ]


def _names(panel: Panel, width: float, height: float) -> list[dict[str, Any]]:
    """Return the names at the ends of the lines, with the lines that lead to them."""
    named = [(line, end) for line in panel.lines if line.name and (end := line.ends_at(panel.x.high))]
    if not named:
        return []
    wanted = [height * (1 - panel.y.share(y)) for _, (_, y) in named]
    rows = [
        {
            "name": shortened(line.name),
            "colour": _colour(line),
            "from_x": width * panel.x.share(x),
            "from_y": start,
            "y": place,
        }
        for (line, (x, _)), start, place in zip(named, wanted, spread(wanted, height), strict=True)
    ]
    data = {"values": rows}
    pixel = {"type": "quantitative", "scale": None, "axis": None}
    lead = {
        "data": data,
        "mark": {"type": "rule", "strokeWidth": 0.8, "strokeOpacity": 0.6},
        "encoding": {
            "x": {"field": "from_x", **pixel},
            "y": {"field": "from_y", **pixel},
            "x2": {"value": width + LEAD},
            "y2": {"field": "y"},
            "color": HUE,
        },
    }
    text = {
        "data": data,
        "mark": {"type": "text", "align": "left", "baseline": "middle", "color": INK, "fontSize": 11},
        "encoding": {
            "x": {"value": width + LEAD + 3},
            "y": {"field": "y", **pixel},
            "text": {"field": "name", "type": "nominal"},
        },
    }
    return [lead, text]
