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
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, BrowserContext, Error, FloatRect, Page

from harness.errors import SamestepError, SetupError
from harness.store.folder import RECORDS_FILE, RunFolder
from tests.pictures.table import Picture

SOURCE: Final = "Source"  # in the PNG: the run that it shows, and its records
MARGIN_PX: Final = 24.0
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
            with _context(browser, picture) as context:
                png = _small(_taken(context, picture, path.as_uri()), said)
        except Error as error:
            first_line = next(iter(error.message.splitlines()), "")
            raise SetupError(f"{picture.path} cannot be taken: {first_line}.") from error
    if len(png) > MOST_BYTES:
        raise SamestepError(f"{picture.path} has {len(png):,} bytes, more than {MOST_BYTES:,}: let it end earlier.")
    return png


def _context(browser: Browser, picture: Picture) -> BrowserContext:
    return browser.new_context(
        viewport={"width": picture.width_px, "height": 900},
        device_scale_factor=1,
        color_scheme="light",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
        bypass_csp=True,  # the page lets no style in from outside, and FONTS is one
    )


def _taken(context: BrowserContext, picture: Picture, address: str) -> bytes:
    """Return the part of the page as Chromium draws it, once it draws the same twice."""
    page = context.new_page()
    page.clock.set_fixed_time(0)
    page.goto(address)
    page.add_style_tag(content=FONTS)
    _require_font(context, page)
    before = b""
    for _ in range(MOST_LOOKS):
        part = _part(page, picture)
        page.set_viewport_size({"width": picture.width_px, "height": int(part["y"] + part["height"])})
        png = page.screenshot(clip=part, animations="disabled")
        if png == before:
            return png
        before = png
        page.wait_for_timeout(BETWEEN_LOOKS_MS)
    raise SetupError(f"{picture.path} cannot be taken: the page of its run does not come to rest.")


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
    """Return the PNG with its 256 most frequent colours, and `said` as its SOURCE.

    These are the colours of grounds, texts and marks, and they stay as they are. The rest are the edges of letters:
    each gets the nearest of them. (Pillow's own palettes average, which changes the colour of a small mark.)
    """
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))  # height × width × 3
    colours, inverse, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    kept = colours[np.argsort(-counts, kind="stable")[:256]].astype(np.int64)  # 256 × 3
    distances = ((colours[:, None, :] - kept[None, :, :]) ** 2).sum(axis=2)  # colours × 256
    indices = distances.argmin(axis=1).astype(np.uint8)[inverse].reshape(pixels.shape[:2])
    image = Image.fromarray(indices)
    image.putpalette(kept.astype(np.uint8).tobytes())
    info = PngImagePlugin.PngInfo()
    info.add_text(SOURCE, said)
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True, pnginfo=info)
    return written.getvalue()
