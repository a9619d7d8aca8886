"""A Vega-Lite specification as one SVG element that takes its colours and its font from the page.

Vega's own SVG is for a file of its own: it names a font, describes each mark for a screen reader, and repeats colour
and size in every element. In a page the element has one label, text stays text, and what all children of a group have
in common stands once, at the group. The same specification gives the same bytes.

`harness.report.charts.engine` draws, from the first picture on.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, Final

from harness.report.charts import engine
from harness.report.charts.chart import Spec

NAMESPACE: Final = "{http://www.w3.org/2000/svg}"
NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONG: Final = re.compile(r"-?\d*\.\d{3,}(?:e[-+]?\d+)?|-?\d+(?:\.\d+)?e-\d+")  # numbers with too many digits
LONG_PATH: Final = re.compile(
    r"-?\d*\.\d{2,}(?:e[-+]?\d+)?|-?\d+(?:\.\d+)?e-\d+"
)  # of shapes: a tenth of a px is seen by nobody
MOVED: Final = re.compile(r"translate\(([-.\d]+),([-.\d]+)\)")
LONGEST: Final = 4000  # characters of a text or an expression
CIRCLE: Final = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0Z?")
NEEDLESS: Final = frozenset({"class", "role", "font-family", "pointer-events", "stroke-miterlimit", "href"})
DEFAULTS: Final = frozenset({
    ("opacity", "1"), ("fill-opacity", "1"), ("stroke-opacity", "1"), ("stroke-width", "1"), ("font-weight", "normal"),
    ("font-style", "normal"), ("text-anchor", "start"), ("stroke-linecap", "butt"), ("stroke-dashoffset", "0"),
    ("transform", "translate(0,0)"), ("y2", "0"), ("x2", "0"),
})  # fmt: skip
INHERITED: Final = (
    "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linecap",
    "font-size", "font-style", "font-weight", "text-anchor",
)  # fmt: skip


def draw(spec: Spec, *, name: str, label: str) -> str:
    """Return `spec` drawn as one SVG element.

    Args:
        spec: a Vega-Lite specification with its data; colours are those of `harness.report.charts.colours`. One of
            several views has its size, which Vega would measure with this computer's fonts, in `usermeta`:
            `{"size": [width, height]}` in px.
        name: what its ids begin with, distinct within the page.
        label: what a screen reader says instead of it.

    Raises:
        ChartError: Vega cannot draw it, or not on this computer.
        ValueError: it holds a number that JSON lacks.
    """
    drawn = ET.fromstring(engine.drawn(_drawable(spec)))
    _clean(drawn, name)
    width, height = spec.get("usermeta", {}).get("size") or (drawn.get("width"), drawn.get("height"))
    size = {"width": f"{width}", "height": f"{height}", "viewBox": f"0 0 {width} {height}"}
    drawn.attrib = {"xmlns": NAMESPACE.strip("{}"), **size, "role": "img", "aria-label": _drawable(label)}
    return ET.tostring(drawn, encoding="unicode").replace(" />", "/>")  # no text and no attribute holds a bare >


def _drawable(value: Any) -> Any:
    """Return `value` without the characters that XML lacks, which end the process, and without endless texts.

    vl-convert measures a text by drawing it as XML: it aborts at a control character, and takes minutes for a megabyte.
    """
    if isinstance(value, str):
        return NO_XML.sub("", value[:LONGEST].encode(errors="replace").decode())
    if isinstance(value, Mapping):
        return {_drawable(key): _drawable(inner) for key, inner in value.items()}
    return [_drawable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _clean(element: ET.Element, name: str) -> None:
    """Drop from `element` and all in it what a page does not need, and give ids the beginning `name`."""
    element.tag = element.tag.removeprefix(NAMESPACE)
    element.attrib = dict(_attribute(key, value, name) for key, value in element.items() if _matters(key, value))
    _place(element)
    kept: list[ET.Element] = []
    for child in element:
        if child.get("opacity") == "0" or child.get("display") == "none":
            continue
        _clean(child, name)
        if child.tag == "g" and not child.attrib:
            kept += child
        elif element.tag == "clipPath" or not _is_nothing(child):
            kept.append(child)
    element[:] = kept
    if element.tag == "g":
        _hoist(element)


def _matters(key: str, value: str) -> bool:
    return key not in NEEDLESS and not key.startswith("aria-") and (key, value) not in DEFAULTS


def _attribute(key: str, value: str, name: str) -> tuple[str, str]:
    """Return an attribute with short numbers, and with ids that two pictures of a page do not share."""
    if key == "id":
        return key, f"{name}-{value}"
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", value)
    return key, (LONG_PATH if key == "d" else LONG).sub(_one_decimal if key == "d" else _two_decimals, value)


def _two_decimals(number: re.Match[str]) -> str:
    return _short(f"{float(number[0]):.2f}")


def _one_decimal(number: re.Match[str]) -> str:
    return _short(f"{float(number[0]):.1f}")


def _short(number: str) -> str:
    shorter = number.rstrip("0").rstrip(".")
    return "0" if shorter == "-0" else shorter


def _place(element: ET.Element) -> None:
    """Write a text, a circle and a line that are only moved, not turned, with their coordinates, which is shorter."""
    moved = MOVED.fullmatch(element.get("transform", "translate(0,0)"))
    circle = CIRCLE.fullmatch(element.get("d", ""))
    if moved is None or not (element.tag in ("text", "line") or circle):
        return
    element.attrib.pop("transform", None)
    x, y = moved.groups()
    if circle:
        del element.attrib["d"]
        element.tag = "circle"
        element.attrib |= {"cx": x, "cy": y, "r": circle[1]}
    elif element.tag == "line":
        element.tag = "path"
        element.set("d", f"M{x},{y}l{element.attrib.pop('x2', '0')},{element.attrib.pop('y2', '0')}")
    else:
        element.attrib |= {"x": x, "y": y}


def _is_nothing(element: ET.Element) -> bool:
    """Whether nothing of it is seen: an empty group or text, a path without shape or colour."""
    if element.tag in ("g", "text"):
        return not len(element) and not (element.text or "").strip()
    is_bare = "fill" not in element.attrib and "stroke" not in element.attrib
    return element.tag == "path" and (not element.get("d") or is_bare)


def _hoist(group: ET.Element) -> None:
    """Move what all children have in common to the group; dissolve the groups that say no more."""
    for key in INHERITED:
        values = {child.get(key) for child in group}
        if len(values) == 1 and (value := values.pop()) is not None:
            group.set(key, value)
            for child in group:
                del child.attrib[key]
    if "transform" not in group.attrib and len(group) > 1 and all(child.tag == "text" for child in group):
        _move_together(group)
    group[:] = [inner for child in group for inner in (child if child.tag == "g" and not child.attrib else [child])]


def _move_together(texts: ET.Element) -> None:
    """Write the horizontal place of a column of texts once, at their group."""
    places = {text.get("x") for text in texts}
    if len(places) == 1 and (x := places.pop()) is not None:
        texts.set("transform", f"translate({x},0)")
        for text in texts:
            del text.attrib["x"]
