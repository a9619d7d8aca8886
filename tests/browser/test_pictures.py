"""A picture of the pages is the wanted part of the page, in the wanted size, and the same every time."""

import dataclasses
import io
import re
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser

from harness.errors import SamestepError
from harness.report.write import render
from harness.store.folder import RunFolder
from harness.validity.results import load
from tests.browser import chromium
from tests.pictures.photograph import MOST_BYTES, SOURCE, photograph
from tests.pictures.table import PUBLISHED, Picture

pytestmark = pytest.mark.browser
TOP = Picture(path="top.png", run="small", last="h1", most_px=900)
TABLE = Picture(path="table.png", run="small", first="#steps table", last="#steps table", most_px=5000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium.path() is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with chromium.started(*chromium.ALIKE) as browser:
        yield browser


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the smallest published run."""
    smallest = min(PUBLISHED.glob("*/records.jsonl"), key=lambda path: path.stat().st_size).parent
    return render(load(RunFolder(smallest)), "html")


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_same_page_gives_the_same_bytes(browser: Browser, page: str) -> None:
    png = photograph(browser, TOP, page, "a run")
    assert png == photograph(browser, TOP, page, "a run")
    image = opened(png)
    assert image.info[SOURCE] == "a run"
    assert image.width == 1400
    assert 80 < image.height < 400
    assert len(png) < MOST_BYTES
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)  # light, whatever the machine prefers


def test_it_begins_and_ends_with_its_elements_and_is_cut_where_it_is_tall(browser: Browser, page: str) -> None:
    def size(**changes: object) -> tuple[int, int]:
        return opened(photograph(browser, dataclasses.replace(TABLE, **changes), page, "a run")).size  # type: ignore[arg-type]

    width, height = size()
    assert width == 1400
    assert height > 400
    assert size(most_px=300) == (1400, 300)
    assert size(width_px=800)[0] == 800
    assert size(first="")[1] > height + 200


def test_a_small_mark_keeps_its_colour(browser: Browser, page: str) -> None:
    """The mark of a framework is a few pixels, and means something by its colour alone."""
    hues = re.findall(r"--hue-[1-3]: #(..)(..)(..);", page)[:3]
    colours = opened(photograph(browser, TABLE, page, "a run")).convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(hues) == 3
    assert {tuple(int(part, 16) for part in hue) for hue in hues} <= {colour for _, colour in colours}


def test_what_the_page_lacks_is_said(browser: Browser, page: str) -> None:
    with pytest.raises(SamestepError, match=r"top\.png: the page of small shows no #nothing: change the row"):
        photograph(browser, dataclasses.replace(TOP, last="#nothing"), page, "a run")
