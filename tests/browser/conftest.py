"""A real Chromium, the one of the system, and the pages that the tests of this folder open in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from harness.report import write
from harness.validity.results import Run
from tests.browser import chromium, small
from tests.harness.report.example import example
from tests.harness.report.multiplied import ladders, large
from tests.harness.report.scaled import scaled_run
from tests.harness.report.varied import varied_run

RUNS: dict[str, Callable[[], Run]] = {
    "example": lambda: example("quick", 3),
    "small": small.run,
    "scaled": scaled_run,
    "ladders": ladders,
    "large": large,
    "varied": varied_run,
}


@pytest.fixture(scope="module")  # not longer: the pictures start one of their own, and a process has one at a time
def browser() -> Iterator[Browser]:
    if chromium.path() is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with chromium.started() as started:
        yield started


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
