"""The page as a file: its size and speed, without scripts, on paper, for those who do not see it, and its numbers."""

import itertools
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from urllib.request import url2pathname

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from harness import format as plain

pytestmark = pytest.mark.browser
AddressOf = Callable[[str], str]
MOST_BYTES = 2_000_000
FIRST_PAINT_MS = 1_000


def test_500_cells_take_two_megabytes_and_ask_for_nothing_else(page: Page, address_of: AddressOf) -> None:
    address = address_of("large")
    size = Path(url2pathname(address.removeprefix("file://"))).stat().st_size
    assert size <= MOST_BYTES
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert asked == [address]
    assert page.locator("#matrix td:not(:empty)").count() == 500
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 5 * FIRST_PAINT_MS  # that of a machine which does something else, too


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_of_500_cells_is_wider_than_the_page(browser: Browser, address_of: AddressOf, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{address_of('large')}#workload=mlp&show=ratio")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_a_packed_table_is_unpacked_when_it_is_opened_and_filtered_like_the_others(
    page: Page, address_of: AddressOf
) -> None:
    page.goto(f"{address_of('large')}#framework=numpy")
    table = page.locator("#t-accuracy")
    assert table.get_attribute("data-packed") is not None
    table.locator("summary").click()
    expect(table.locator("tbody tr")).to_have_count(500)
    expect(table.locator("tbody tr:visible")).to_have_count(25)
    assert table.get_by_role("button", name="framework").is_visible()
    assert not table.locator(".packed").is_visible()


def test_without_scripts_all_is_there_but_what_needs_one(browser: Browser, address_of: AddressOf) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address_of("small"))
    assert not page.locator("#controls").is_visible()
    assert not page.locator("#told").is_visible()
    assert page.locator("#matrix tbody td").count() == 12
    assert page.locator("#steps figure svg:visible").count() == 3
    page.get_by_role("link", name="failed").first.click()
    expect(page.locator("#why-1")).to_be_in_viewport()
    page.locator("#t-steps summary").click()
    assert page.locator("#t-steps tbody tr:visible").count() == 12
    page.goto(address_of("large"))
    page.locator("#t-accuracy summary").click()
    assert "csv/accuracy.csv" in page.locator("#t-accuracy .packed").inner_text()
    page.close()


def test_on_paper_all_is_open_and_nothing_can_be_chosen(page: Page, address_of: AddressOf) -> None:
    page.goto(address_of("small"))
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert not page.locator("nav").first.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("#t-steps tbody tr").first.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() < page.locator("details").count()
    assert page.evaluate("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    assert len(page.pdf(format="A4")) > 10_000


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [*itertools.product(["small"], [390, 1400], ["light", "dark"]), ("example", 1400, "light")],
)
def test_axe_finds_nothing(browser: Browser, address_of: AddressOf, name: str, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,  # for axe itself, which the test brings into the page
    )
    page = context.new_page()
    page.goto(address_of(name) + ("#ref=torch:eager&show=ratio&framework=torch" if name == "small" else ""))
    if name == "small":
        page.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true })")
        page.locator("#steps").scroll_into_view_if_needed()
        expect(page.locator("figure.is-live").first).to_be_visible()
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found] == []
    context.close()


def test_the_script_writes_numbers_as_the_report_does(page: Page) -> None:
    source = (resources.files("harness.report.exporters") / "templates" / "format.js").read_text(encoding="utf-8")
    digits = (1, 1.2345, 2.5, 9.994, 9.996, 9.9996, 5.555)
    numbers = [digit * 10.0**power for power in range(-1, 12) for digit in digits]
    numbers += [12_350, 12_450, 1_235_000, 299, 1001]  # of which some lie between two numbers of three digits
    counts = [1, 12, 999, 1001, 12_350, 12_450, 45_123]

    def written(function: str, values: Sequence[float]) -> list[str]:
        script = f"values => {{ const DATA = {{ lines: {{}} }}; {source} return values.map({function}); }}"
        return page.evaluate(script, values)  # type: ignore[no-any-return]

    assert written("duration", numbers) == [plain.duration(number) for number in numbers]
    assert written("times", numbers) == [plain.times(number) for number in numbers]
    assert written("rounded", counts) == [plain.rounded(count) for count in counts]
    assert written("mebibytes", numbers) == [f"{plain.mebibytes(number)} MiB" for number in numbers]


def test_the_policy_lets_no_script_run_but_the_pages_own(browser: Browser, address_of: AddressOf) -> None:
    page = browser.new_page()
    page.goto(address_of("small"))
    refused = page.evaluate(
        """() => new Promise(resolve => {
          document.addEventListener('securitypolicyviolation', event => resolve(event.violatedDirective));
          const script = document.createElement('script');
          script.textContent = 'window.ran = true';
          document.head.append(script);
        })"""
    )
    assert refused == "script-src-elem"
    assert page.evaluate("window.ran === undefined")
    page.close()
