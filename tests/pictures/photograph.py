"""A part of a run's page as a PNG: the same run and the same code give the same picture, byte by byte.

What could differ is fixed: scheme, language, time zone, clock, fonts, colours of the screen; nothing moves. Another
version of Chromium or of Pillow may still draw other bytes.
"""

import hashlib
import io
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, BrowserContext, Error, FloatRect, Page

from harness.errors import SamestepError, SetupError
from harness.store.folder import RECORDS_FILE, RunFolder
from tests.pictures.table import Picture

Array = npt.NDArray[np.int64]
SOURCE: Final = "Source"  # in the PNG: the run that it shows, and its records
SCREEN_PX: Final = 900  # height of the window in which the picture is measured
MARGIN_PX: Final = 24.0
COLOURS: Final = 256
PACKED: Final[Array] = np.array([1 << 16, 1 << 8, 1])  # times red, green, blue: one number a colour
MOST_BYTES: Final = 250_000
MOST_LOOKS: Final = 20
BETWEEN_LOOKS_MS: Final = 100.0
FAMILY: Final = "DejaVu Sans"
FONTS: Final = f"""
html, body, button, input, select, svg text {{ font-family: "{FAMILY}", sans-serif !important; }}
code, kbd, pre, samp, pre *, code * {{ font-family: "{FAMILY} Mono", monospace !important; }}
"""


def source(folder: RunFolder) -> str:
    """Return what SOURCE says of a picture of the run in `folder`: its name and the SHA-256 of its records."""
    return f"{folder.id}, {RECORDS_FILE} SHA-256 {hashlib.sha256(folder.records_path.read_bytes()).hexdigest()}"


def photograph(browser: Browser, picture: Picture, page: str, said: str) -> bytes:
    """Return the PNG of `picture`.

    Args:
        browser: started with the arguments `tests.browser.chromium.ALIKE`.
        picture: what to take.
        page: of its run, as HTML.
        said: the SOURCE of that run.

    Raises:
        SetupError: Chromium lacks the font, or fails.
        SamestepError: the page lacks a part of the picture, or the picture is too large.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "index.html"
        path.write_text(page, encoding="utf-8")
        try:
            with _context(browser) as context:
                png = _small(_taken(context, picture, path.as_uri()), said)
        except Error as error:
            first_line = next(iter(error.message.splitlines()), "")
            raise SetupError(f"{picture.path} cannot be taken: {first_line}.") from error
    if len(png) > MOST_BYTES:
        raise SamestepError(f"{picture.path} has {len(png):,} bytes, more than {MOST_BYTES:,}: let it end earlier.")
    return png


def _context(browser: Browser) -> BrowserContext:
    return browser.new_context(
        device_scale_factor=1,
        color_scheme="light",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
        bypass_csp=True,  # the page lets no style in from outside, and FONTS is one
    )


def _taken(context: BrowserContext, picture: Picture, address: str) -> bytes:
    """Return the part of the page as Chromium draws it, once it draws the same twice.

    The window is so tall that nothing which sticks to its lower edge covers the picture.
    """
    part = _part(_opened(context, picture, address, SCREEN_PX), picture)
    page = _opened(context, picture, address, int(part["y"] + part["height"]) + SCREEN_PX)
    _require_font(context, page)
    before = b""
    for _ in range(MOST_LOOKS):
        png = page.screenshot(clip=_part(page, picture), animations="disabled")
        if png == before:
            return png
        before = png
        page.wait_for_timeout(BETWEEN_LOOKS_MS)
    raise SetupError(f"{picture.path} cannot be taken: the page of its run does not come to rest.")


def _opened(context: BrowserContext, picture: Picture, address: str, height_px: int) -> Page:
    page = context.new_page()
    page.clock.set_fixed_time(0)
    page.set_viewport_size({"width": picture.width_px, "height": height_px})
    page.goto(address)
    page.add_style_tag(content=FONTS)
    page.wait_for_timeout(BETWEEN_LOOKS_MS)
    return page


def _require_font(context: BrowserContext, page: Page) -> None:
    """Raise SetupError unless Chromium draws the heading in FAMILY."""
    inspector = context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        inspector.send(f"{domain}.enable")
    root = inspector.send("DOM.getDocument")["root"]["nodeId"]
    heading = inspector.send("DOM.querySelector", {"nodeId": root, "selector": "h1"})["nodeId"]
    used = {font["familyName"] for font in inspector.send("CSS.getPlatformFontsForNode", {"nodeId": heading})["fonts"]}
    if used != {FAMILY}:
        raise SetupError(f"The pictures are drawn in {FAMILY}: install it, such as with apt install fonts-dejavu-core.")


def _part(page: Page, picture: Picture) -> FloatRect:
    """Return the part of the page that is the picture."""
    top = _box(page, picture, picture.first)["y"] - MARGIN_PX if picture.first else 0.0
    last = _box(page, picture, picture.last)
    height = min(last["y"] + last["height"] + MARGIN_PX - top, float(picture.most_px))
    return {"x": 0, "y": round(max(0.0, top)), "width": picture.width_px, "height": round(height)}


def _box(page: Page, picture: Picture, selector: str) -> FloatRect:
    box = page.locator(selector).first.bounding_box(timeout=1_000) if page.locator(selector).count() else None
    if box is None:
        raise SamestepError(f"{picture.path}: the page of {picture.run} shows no {selector}: change the row.")
    return box


def _small(png: bytes, said: str) -> bytes:
    """Return the PNG in COLOURS colours, and `said` as its SOURCE.

    Colours of grounds, texts and marks stay as they are; an edge of a letter gets the nearest of them. (Pillow's own
    palettes average, which changes the colour of a small mark.)
    """
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int64)  # height × width × 3
    packed, inverse, counts = np.unique(pixels @ PACKED, return_inverse=True, return_counts=True)
    palette, nearest = _palette(np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1), counts)
    image = Image.fromarray(nearest.astype(np.uint8)[inverse].reshape(pixels.shape[:2]))
    image.putpalette(palette.astype(np.uint8).tobytes())
    info = PngImagePlugin.PngInfo()
    info.add_text(SOURCE, said)
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True, pnginfo=info)
    return written.getvalue()


def _palette(colours: Array, counts: Array) -> tuple[Array, Array]:
    """Choose at most COLOURS of `colours` (n × 3, each in `counts` pixels), and of these the nearest to each (n).

    The next is always the one whose pixels are farthest off together, by the squared distance.
    """
    chosen = [int(counts.argmax())]
    distance = ((colours - colours[chosen[0]]) ** 2).sum(axis=1)
    nearest = np.zeros(len(colours), np.int64)
    while len(chosen) < COLOURS and distance.any():
        chosen.append(int((distance * counts).argmax()))
        to_it = ((colours - colours[chosen[-1]]) ** 2).sum(axis=1)
        nearest[to_it < distance] = len(chosen) - 1
        distance = np.minimum(distance, to_it)
    return colours[chosen], nearest
