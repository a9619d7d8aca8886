"""Reading a chart: its texts with their places, and what Vega-Lite says of its specification."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import vl_convert

from harness.report.charts.cells import Group, groups
from harness.report.charts.chart import Spec
from harness.report.overview import WORK
from harness.report.tables.all import tables
from harness.validity.results import Run

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a picture; x and y in px from its upper left corner."""

    x: float
    y: float
    words: str


def texts(svg: str) -> list[Text]:
    """Return the texts of a picture, in the order of the file."""
    return [Text(x, y, element.text or "") for element, x, y in elements(svg) if element.tag == f"{SVG}text"]


def elements(svg: str) -> Iterator[tuple[ET.Element, float, float]]:
    """Yield each element with its place."""

    def walk(element: ET.Element, x: float, y: float) -> Iterator[tuple[ET.Element, float, float]]:
        for dx, dy in re.findall(r"translate\(([-.\d]+),([-.\d]+)\)", element.get("transform", "")):
            x, y = x + float(dx), y + float(dy)
        x, y = (
            x + float(element.get("x") or element.get("cx") or 0),
            y + float(element.get("y") or element.get("cy") or 0),
        )
        yield element, x, y
        for child in element:
            yield from walk(child, x, y)

    yield from walk(ET.fromstring(svg), 0, 0)


def rows(svg: str) -> list[list[str]]:
    """Return the texts of a picture line by line from top to bottom, each from left to right."""
    found: dict[int, list[Text]] = {}
    for text in texts(svg):
        found.setdefault(round(text.y), []).append(text)
    return [[text.words for text in sorted(found[y], key=lambda text: text.x)] for y in sorted(found)]


def compiled(spec: Spec, capfd: pytest.CaptureFixture[str]) -> Mapping[str, Any]:
    """Return what Vega-Lite makes of `spec`; it must not warn."""
    capfd.readouterr()
    vega = vl_convert.vegalite_to_vega(json.dumps(spec), show_warnings=True)
    said = capfd.readouterr()
    assert said.out + said.err == ""
    return vega


def group(*cells: Mapping[str, Any], is_inference: bool = False) -> Group:
    """Return a group of cells of one work, each with the given fields."""
    work = ("mlp", "S", "adam", "float32", "cpu", "default", "")
    unknown = dict.fromkeys(("step_ns", "low_ns", "high_ns", "first_step_ns", "break_even", "peak_bytes", "ratio"))
    common = {"framework": "torch", "title": "PyTorch", "mode": "eager", "label": "", "status": "ok", "reason": ""}
    facts = {**common, **dict(zip(WORK, work, strict=True)), "is_inference": is_inference, "hue": 1, **unknown}
    return Group(work=work, is_inference=is_inference, rows=tuple({**facts, **cell} for cell in cells))


def groups_of(run: Run) -> tuple[Group, ...]:
    """Return the groups of a run."""
    return groups(run, tables(run))


def live(spec: Spec, cells: Sequence[Mapping[str, Any]]) -> Spec:
    """Return the specification of a live chart with the rows that a page gives it."""
    return {**spec, "data": {**spec["data"], "values": list(cells)}}


Draw = Callable[[Spec], str]
