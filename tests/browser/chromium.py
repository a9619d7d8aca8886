"""The system's Chromium: one browser for the tests and for the pictures of the pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, Error, sync_playwright

from harness.errors import SetupError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Of a picture: the same pixels on every screen and with every setting of the fonts.
ALIKE: Final = (
    "--disable-lcd-text",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)


def path() -> str | None:
    """Return the path of the system's Chromium; None: there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started(*arguments: str) -> Iterator[Browser]:
    """Yield the browser, started with ARGUMENTS and `arguments`; end it afterwards.

    Raises:
        SetupError: there is none, or it does not start.
    """
    if (executable := path()) is None:
        raise SetupError("There is no Chromium on this machine: install it, such as with apt install chromium.")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=[*ARGUMENTS, *arguments])
        except Error as error:
            said = next(iter(error.message.splitlines()), "")
            raise SetupError(f"{executable} does not start: {said}. Install Chromium anew.") from error
        try:
            yield browser
        finally:
            browser.close()
