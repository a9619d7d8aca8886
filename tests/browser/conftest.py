"""A real Chromium, the one of the system, and the pages that the tests of this folder open in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from harness.report import write
from harness.validity.results import Run
from tests.browser import small
from tests.harness.report.example import example
from tests.harness.report.multiplied import ladders, large

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
RUNS: dict[str, Callable[[], Run]] = {
    "example": lambda: example("quick", 3),
    "small": small.run,
    "ladders": ladders,
    "large": large,
}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def address_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The address of the page of one of `RUNS`, written when it is first asked for."""
    written: dict[str, Path] = {}

    def address(name: str) -> str:
        if name not in written:
            written[name] = write.write(RUNS[name](), tmp_path_factory.mktemp(name) / "report")
        return written[name].as_uri()

    return address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails its test when it says anything on the console."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert said == []
