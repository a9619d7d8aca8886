"""What all charts look like: sizes in px, text, axes; and the caveat that stands in a picture."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from harness.report.charts.chart import Spec
from harness.report.charts.colours import INK, LINE, QUIET, WRONG

WIDE: Final = 960  # px, of the whole drawing
NARROW: Final = 358  # px, of a page of 390 without its margins
CHARACTER: Final = 6.6  # px that a character of 12 px takes in the widest of the page's fonts, on average
CAVEAT: Final = 20  # px, height of the line of the caveat
FEW_DECADES: Final = 30  # an axis with a smaller ratio of its ends also has ticks between powers of ten
COLOUR: Final[Mapping[str, str]] = {"calculate": "'var(--hue-' + toNumber(datum.hue) + ')'", "as": "colour"}
HUE: Final[Mapping[str, Any]] = {"field": "colour", "type": "nominal", "scale": None}
CONFIG: Final[Mapping[str, Any]] = {
    "aria": False,  # the element has one label
    "font": "sans-serif",  # for measuring; the page's own is drawn
    "view": {"stroke": None},
    "text": {"fontSize": 12, "color": INK},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": LINE,
        "gridWidth": 1,
        "labelColor": QUIET,
        "labelFontSize": 11,
        "labelPadding": 6,
        "labelOverlap": False,
        "labelFlush": False,
        "titleColor": QUIET,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 6,
    },
}


def framed(spec: Spec, *, left: float, right: float, top: float, bottom: float, caveat: str) -> dict[str, Any]:
    """Return `spec` with fixed margins in px around its plot, and with the caveat above all, where there is one.

    The margins do not depend on the fonts of the computer that draws.
    """
    above = {} if not caveat else {
        "data": {"values": [{}]},
        "mark": {"type": "text", "align": "left", "baseline": "top", "color": WRONG, "fontSize": 11},
        "encoding": {"text": {"value": caveat}, "x": {"value": -left}, "y": {"value": -top - CAVEAT + 4}},
    }  # fmt: skip
    framed = {
        "background": None,
        "autosize": {"type": "none"},
        "padding": {"left": left, "right": right, "top": top + (CAVEAT if caveat else 0), "bottom": bottom},
        "config": CONFIG,
        **spec,
    }
    return {**framed, "layer": [*spec["layer"], above]} if caveat else framed


def ticks(values: Iterable[float]) -> list[float]:
    """Return ticks of a logarithmic axis over positive `values`: powers of ten, with 2 and 5 where these are few."""
    known = list(values)
    if not known:
        return []
    low, high = min(known), max(known)
    steps = (1.0,) if high > FEW_DECADES * low else (1.0, 2.0, 5.0)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    return [step * 10.0**decade for decade in decades for step in steps]


def thinned(values: Sequence[float], most: int) -> list[float]:
    """Return every n-th of ticks, so that at most about `most` remain."""
    return list(values[:: max(1, math.ceil(len(values) / most))])
