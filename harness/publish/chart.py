"""The chart of a cell's history: its time per step over the dates of the runs, with intervals, coloured by host."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness.publish.history import History, Point
from harness.report.charts.chart import Spec
from harness.report.charts.colours import GROUND, INK, LINE, QUIET
from harness.report.hues import HUES

UNITS: Final = (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0))
WIDTH: Final = 860  # pixels, without the axes
HEIGHT: Final = 250
MOST_NAMED: Final = 6  # changes that are named in the chart; the table has all
MOST_DRAWN: Final = 60  # runs; a band needs some pixels
EARLY: Final = 0.3  # share of the time that the chart spans
ROWS: Final = 3  # of such names above the chart, in turn
ROW_HEIGHT: Final = 13  # pixels
LONGEST_NAME: Final = 30  # characters
MANY_DAYS: Final = 15  # from so many on the axis has no times; from their square on, no days
LOG_FROM: Final = 8.0  # highest time ÷ lowest from which the axis is logarithmic


def drawn(history: History) -> Sequence[Point]:
    """Return the runs that the chart shows, the newest first: of those of the page that have a time."""
    return [point for point in history.points if point.result.step_ns][:MOST_DRAWN]


def spec(history: History) -> Spec:
    """Return the Vega-Lite specification of the chart of a history that has a time."""
    points = drawn(history)
    least = min(_ns(point) for point in points)
    unit, ns = next(each for each in UNITS if least >= each[1] or each[1] == 1.0)
    ends = [end / ns for point in points for end in _ends(point)]
    is_log = min(ends) > 0 and max(ends) > LOG_FROM * min(ends)
    y: dict[str, Any] = {
        "type": "quantitative",
        "title": f"{unit} a step",
        "scale": {"nice": True, **({"type": "log"} if is_log else {"zero": False})},
        "axis": {"tickCount": 6},
    }
    x = _dates(points)
    hue = {"field": "hue", "type": "nominal", "scale": None, "legend": None}
    place = {"x": x, "y": {**y, "field": "step"}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "background": None,
        "padding": {"left": 2, "right": 12, "top": 4, "bottom": 2},
        "config": _config(),
        "data": {"values": [_value(point, ns) for point in reversed(points)]},
        "layer": [
            *_changes(points, x),
            _span(x, y, hue, "noise", {"strokeWidth": 9, "opacity": 0.2}),
            {"mark": {"type": "line", "strokeWidth": 1, "opacity": 0.55}, "encoding": {**place, "color": hue}},
            _span(x, y, hue, "interval", {"strokeWidth": 1.5}),
            {
                "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1, "stroke": GROUND},
                "encoding": {**place, "fill": hue},
            },
        ],
    }


def _dates(points: Sequence[Point]) -> Spec:
    """Return the axis of the dates, in UTC."""
    days = (points[0].entry.started_unix_ns - points[-1].entry.started_unix_ns) / 86_400e9
    form = "%b %d, %H:%M" if days < MANY_DAYS else "%b %d" if days < MANY_DAYS**2 else "%Y-%m"
    axis = {"labelOverlap": True, "tickCount": 8, "format": form}
    return {"field": "at", "type": "temporal", "title": None, "scale": {"type": "utc", "padding": 14}, "axis": axis}


def _span(x: Spec, y: Spec, hue: Spec, name: str, mark: Mapping[str, Any]) -> Spec:
    """Return a layer with a line from `name`_low to `name`_high of each run."""
    ends = {"y": {**y, "field": f"{name}_low"}, "y2": {"field": f"{name}_high"}}
    return {"mark": {"type": "rule", **mark}, "encoding": {"x": x, **ends, "color": hue}}


def _changes(points: Sequence[Point], x: Spec) -> Iterator[Spec]:
    """Yield the layers that mark runs with other versions than the run before them on their host."""
    changed = [point for point in points if point.changes]
    if not changed:
        return
    dashed = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1, "color": QUIET}
    yield {"data": {"values": [{"at": _at(point)} for point in changed]}, "mark": dashed, "encoding": {"x": x}}
    first, last = points[-1].entry.started_unix_ns, points[0].entry.started_unix_ns
    early = first + (last - first) * EARLY  # a name of such a run stands on its other side, where there is room
    names = [
        {
            "at": _at(point),
            "name": _name(point.changes),
            "row": number % ROWS,
            "early": point.entry.started_unix_ns < early,
        }
        for number, point in enumerate(changed[:MOST_NAMED])
    ]
    text = {
        "type": "text", "baseline": "top", "color": INK, "fontSize": 10, "limit": 190,
        "align": {"expr": "datum.early ? 'left' : 'right'"}, "dx": {"expr": "datum.early ? 3 : -3"},
        "y": {"expr": f"2 + {ROW_HEIGHT} * datum.row"},
    }  # fmt: skip
    yield {"data": {"values": names}, "mark": text, "encoding": {"x": x, "text": {"field": "name"}}}


def _name(changes: Sequence[str]) -> str:
    first = changes[0] if len(changes[0]) <= LONGEST_NAME else f"{changes[0][: LONGEST_NAME - 1]}…"
    return f"{first} +{len(changes) - 1}" if len(changes) > 1 else first


def _value(point: Point, ns: float) -> Mapping[str, Any]:
    result = point.result
    noise = _noise(point)
    return {
        "at": _at(point),
        "step": _ns(point) / ns,
        "interval_low": (result.low_ns or _ns(point)) / ns,
        "interval_high": (result.high_ns or _ns(point)) / ns,
        "noise_low": noise[0] / ns,
        "noise_high": noise[1] / ns,
        "hue": HUES[(point.host - 1) % len(HUES)],
    }


def _ns(point: Point) -> float:
    assert point.result.step_ns is not None, "only runs with a time are drawn"
    return point.result.step_ns


def _noise(point: Point) -> tuple[float, float]:
    """Return the step times that the session cannot tell from this one, in ns."""
    factor = 1 + point.entry.floor
    return _ns(point) / factor, _ns(point) * factor


def _ends(point: Point) -> Iterator[float]:
    yield from (*_noise(point), point.result.low_ns or _ns(point), point.result.high_ns or _ns(point))


def _at(point: Point) -> str:
    return datetime.datetime.fromtimestamp(point.entry.started_unix_ns / 1e9, datetime.UTC).isoformat()


def _config() -> Mapping[str, Any]:
    axis = {
        "domainColor": LINE, "gridColor": LINE, "tickColor": LINE, "labelColor": QUIET, "titleColor": QUIET,
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
    }  # fmt: skip
    return {"axis": axis, "axisX": {"grid": False}, "view": {"stroke": None}, "font": "sans-serif"}
