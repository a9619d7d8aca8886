"""A specification drawn ahead: an element of the page, small, the same bytes each time, and harmless."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from harness.report.charts.colours import INK
from harness.report.charts.draw import draw
from harness.report.hues import HUES
from tests.harness.report.charts.reading import elements, texts

HOSTILE = [
    "<script>alert(1)</script>",
    "a \"b\" & 'c'",
    "${alert(1)}",
    "datum.x + 1",
    "a.b[c]",
    "=1+1",
    "\x00\x1b[31mred",
]


def spec(words: list[str], **changes: Any) -> dict[str, Any]:
    """A chart of the words, one below another, beside dots and lines."""
    values = [{"a.b[c]": word, "words": word, "x": at * 1.23456789} for at, word in enumerate(words)]
    x = {"field": "x", "type": "quantitative", "axis": {"labelColor": INK, "gridColor": INK}}
    y = {"field": r"a\.b\[c\]", "type": "nominal", "axis": None}
    text = {"field": "words", "type": "nominal"}
    return {
        "data": {"values": values},
        "background": None,
        "layer": [
            {"mark": {"type": "rule", "color": HUES[0]}, "encoding": {"x": x, "y": y}},
            {"mark": {"type": "circle", "color": HUES[1]}, "encoding": {"x": x, "y": y}},
            {"mark": {"type": "text", "color": INK}, "encoding": {"text": text, "x": x, "y": y}},
        ],
        **changes,
    }


def shown(svg: str) -> str:
    return "".join(ET.fromstring(svg).itertext())


def test_is_one_element_with_a_label_and_nothing_else_to_read_aloud() -> None:
    svg = draw(spec(["one"]), name="x", label='<b> & "it"')
    root = ET.fromstring(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", '<b> & "it"')
    assert svg.count("aria-") == 1
    assert list(root.attrib) == ["width", "height", "viewBox", "role", "aria-label"]


def test_takes_colours_and_font_from_the_page() -> None:
    svg = draw(spec(["one"]), name="x", label="x")
    assert "font-family" not in svg
    assert "class=" not in svg
    assert {HUES[0], HUES[1], INK} <= set(re.findall(r"var\(--[a-z0-9-]+\)", svg))


def test_shortens_places_but_never_text() -> None:
    svg = draw(spec(["0.00012345", "1.23456"]), name="x", label="0.12345 of it")
    assert [text.words for text in texts(svg) if "12345" in text.words or "23456" in text.words] == [
        "0.00012345",
        "1.23456",
    ]
    assert "0.12345 of it" in svg
    for element, _, _ in elements(svg):
        assert not [value for key, value in element.items() if key != "aria-label" and re.search(r"\.\d{3}", value)]


def test_moves_nothing() -> None:
    """What the cleaning has moved together lies where Vega has put it."""
    import vl_convert

    made = spec(["one", "two", "three"])
    own, vegas = texts(draw(made, name="x", label="x")), texts(vl_convert.vegalite_to_svg(made))
    assert [text.words for text in own] == [text.words for text in vegas]
    for a, b in zip(own, vegas, strict=True):
        assert (a.x, a.y) == pytest.approx((b.x, b.y), abs=0.02)
    circles = [(x, y) for element, x, y in elements(draw(made, name="x", label="x")) if element.tag.endswith("circle")]
    assert len(circles) == 3


@pytest.mark.parametrize("words", HOSTILE)
def test_names_are_text_and_do_nothing(words: str) -> None:
    svg = draw(spec([words]), name="x", label=words)
    root = ET.fromstring(svg)
    plain = words.replace("\x00", "").replace("\x1b", "")
    assert plain in shown(svg)
    assert root.get("aria-label") == plain
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "g", "path", "text", "circle"}


def test_a_lone_surrogate_is_drawn_as_a_question_mark() -> None:
    assert "caf?.py" in shown(draw(spec(["caf\udce9.py"]), name="x", label="x"))


def test_an_endless_text_is_cut() -> None:
    assert len(shown(draw(spec(["x" * (1 << 20)]), name="x", label="x"))) < 10_000


def test_ids_begin_with_the_name() -> None:
    clipped = spec(["one"])
    clipped["layer"][1]["mark"] = {"type": "bar", "color": HUES[1], "cornerRadiusEnd": 2, "clip": True}
    svg = draw(clipped, name="chart-7", label="x")
    ids = re.findall(r' id="([^"]*)"', svg)
    assert ids
    assert all(id.startswith("chart-7-") for id in ids)
    assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= set(ids)
    clip = ET.fromstring(svg).find(".//{*}clipPath")
    assert clip is not None
    assert len(clip) == 1, "an empty clip hides all"


def test_twice_gives_the_same_bytes_also_after_other_pictures() -> None:
    first = draw(spec(["one", "two"]), name="x", label="x")
    draw(spec(["three"]), name="y", label="y")
    assert draw(spec(["one", "two"]), name="x", label="x") == first


def test_nothing_is_fetched() -> None:
    away = {**spec([]), "data": {"url": "http://127.0.0.1:9/data.json"}}
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        draw(away, name="x", label="x")


def test_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        draw({**spec([]), "width": float("nan")}, name="x", label="x")


def test_is_imported_without_the_library() -> None:
    code = "import sys; import harness.report.charts.draw; sys.exit('vl_convert' in sys.modules)"
    root = Path(__file__).parents[4]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
