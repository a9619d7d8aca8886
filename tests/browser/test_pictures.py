"""A picture of the pages is the wanted part of a page, in the wanted size and colours, and the same every time."""

import dataclasses
import io
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser

from harness.errors import SamestepError, SetupError
from tests.browser import chromium
from tests.pictures.photograph import MARGIN_PX, MOST_BYTES, SOURCE, photograph
from tests.pictures.table import Picture

pytestmark = pytest.mark.browser
MARKS = ((45, 103, 202), (178, 52, 12), (92, 45, 145), (236, 99, 148))
HUES = 360  # of as many stripes, which want more colours than a picture has
PAGE = f"""<!doctype html><style>
body {{ margin: 0 }} h1 {{ margin: 0; height: 100px }} #box {{ height: 500px; overflow: auto }}
#tall {{ height: 100vh }} #stripes i {{ display: inline-block; width: 3px; height: 40px }}
#marks i {{ display: inline-block; width: 6px; height: 6px }}
@media (prefers-color-scheme: dark) {{ body {{ background: black }} }}
</style><h1>A heading</h1><div id="box"><div style="height: 490px">A box</div></div>
<div id="stripes">{"".join(f'<i style="background: hsl({hue} 50% 60%)"></i>' for hue in range(HUES))}</div>
<div id="marks">{"".join(f'<i style="background: rgb{mark}"></i>' for mark in MARKS)}</div>
<div id="tall"></div><p id="time"></p><script>time.textContent = String(Date.now())</script>"""
TOP = Picture(path="top.png", run="a-run", last="#box", most_px=900)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium.path() is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with chromium.started(*chromium.ALIKE) as browser:
        yield browser


def taken(browser: Browser, page: str = PAGE, **changes: object) -> Image.Image:
    picture = dataclasses.replace(TOP, **changes)  # type: ignore[arg-type]
    return Image.open(io.BytesIO(photograph(browser, picture, page, "of a run")))


def test_the_same_page_gives_the_same_bytes(browser: Browser) -> None:
    to_the_end = dataclasses.replace(TOP, last="#time", most_px=5000)
    png = photograph(browser, to_the_end, PAGE, "of a run")
    assert png == photograph(browser, to_the_end, PAGE, "of a run")
    assert len(png) < MOST_BYTES
    image = Image.open(io.BytesIO(png))
    assert image.info[SOURCE] == "of a run"
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)  # light, whatever the machine prefers


def test_it_begins_and_ends_with_its_elements_and_is_cut_where_it_is_tall(browser: Browser) -> None:
    margin = int(MARGIN_PX)
    assert taken(browser).size == (1400, 600 + margin)
    assert taken(browser, first="#box").size == (1400, 500 + 2 * margin)
    assert taken(browser, most_px=300).size == (1400, 300)
    assert taken(browser, width_px=800).size == (800, 600 + margin)


def test_a_small_mark_keeps_its_colour_beside_more_colours_than_a_picture_has(browser: Browser) -> None:
    """The mark of a framework is a few pixels, and means something by its colour alone."""
    image = taken(browser, last="#marks")
    colours = image.convert("RGB").getcolors()
    assert image.mode == "P"
    assert colours is not None
    assert len(colours) > 200
    assert set(MARKS) <= {colour for _, colour in colours}


def test_what_sticks_to_the_lower_edge_of_the_window_covers_nothing(browser: Browser) -> None:
    bar = '<div style="position: fixed; bottom: 0; height: 90px; width: 100%; background: rgb(9, 8, 7)"></div>'
    colours = taken(browser, PAGE + bar).convert("RGB").getcolors()
    assert colours is not None
    assert (9, 8, 7) not in {colour for _, colour in colours}


def test_what_the_page_lacks_is_said(browser: Browser) -> None:
    with pytest.raises(SamestepError, match=r"top\.png: the page of a-run shows no #nothing: change the row"):
        taken(browser, last="#nothing")


def test_a_page_that_moves_on_and_on_is_not_taken(browser: Browser) -> None:
    moving = PAGE + "<script>let n = 0; setInterval(() => { box.textContent = n++ }, 30)</script>"
    with pytest.raises(SetupError, match=r"top\.png cannot be taken: the page of its run does not come to rest\."):
        taken(browser, moving)


def test_a_picture_that_is_too_large_is_said(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.pictures.photograph.MOST_BYTES", 1000)
    with pytest.raises(SamestepError, match=r"top\.png has [\d,]+ bytes, more than 1,000: let it end earlier\."):
        taken(browser)
