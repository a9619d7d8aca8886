"""The page in a real Chromium, the one of the system: light and dark, wide and narrow, offline."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
WIDTHS = (400, 800, 1400)


@pytest.fixture
def address(address_of: Callable[[str], str]) -> str:
    return address_of("example")


def visit(page: Page, address: str) -> None:
    """Open a page, and all that is folded in it."""
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_opens_without_a_request_an_error_or_overflow(browser: Browser, address: str, width: int, scheme: str) -> None:
    dark = scheme == "dark"
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    assert asked == [address]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    page.close()


def test_plots_follow_the_page_into_dark_mode(page: Page, address: str) -> None:
    ink = "getComputedStyle(document.querySelector('.plot text')).fill"
    page.emulate_media(color_scheme="light")
    page.goto(address)
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ink) != light


def test_text_stands_out_from_its_ground_in_light_and_dark(page: Page, address: str) -> None:
    page.goto(address)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        for variable in ("--ink", "--quiet", "--link", "--wrong"):
            assert page.evaluate(CONTRAST, variable) >= 4.5, (scheme, variable)  # WCAG 2.2, level AA


CONTRAST = """variable => {
  const style = getComputedStyle(document.documentElement);
  const light = name => {
    const value = style.getPropertyValue(name).trim();
    const [r, g, b] = [1, 3, 5].map(at => parseInt(value.slice(at, at + 2), 16) / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [light(variable), light("--ground")];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_a_wide_table_scrolls_in_its_own_box_under_a_framework_that_stays(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 800, "height": 900})
    visit(page, address)
    box = page.locator("#t-steps .scroll:has(table)")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    who = page.locator("#steps tbody tr").first.locator("th")
    before = who.bounding_box()
    box.evaluate("box => { box.scrollLeft = 200 }")
    assert who.bounding_box() == before


@pytest.mark.parametrize("script", [True, False])
def test_on_a_narrow_page_every_value_is_in_sight_below_its_heading(
    browser: Browser, address: str, script: bool
) -> None:
    page = browser.new_context(java_script_enabled=script, viewport={"width": 400, "height": 900}).new_page()
    visit(page, address)
    places = page.evaluate(
        """() => [...document.querySelectorAll('.table :is(tbody th, tbody td, thead th)')].map(cell => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          const {left, right} = range.getBoundingClientRect();
          return [left, right, cell.textContent.trim()];
        })"""
    )
    assert len(places) > 1000
    assert [place for place in places if place[0] < 0 or place[1] > 400] == []
    label = "cell => getComputedStyle(cell, '::before').content"
    values = page.locator("#steps tbody tr").first.locator("td:not(.n)")
    assert [one.evaluate(label) for one in values.all()][:2] == ['"step µs"', '"95 % interval µs"']
    page.close()


def test_on_a_narrow_page_the_parts_of_a_name_that_say_nothing_alone_have_headings(
    page: Page, address_of: Callable[[str], str]
) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    visit(page, address_of("scaled"))
    parts = page.locator("#t-scaling tbody tr").first.locator("td.n").all()
    label = "cell => getComputedStyle(cell, '::before').content"
    assert [part.evaluate(label) for part in parts] == ["none", '"size"', '"ranks"', '"scaling"']
    tops = [part.evaluate("cell => cell.getBoundingClientRect().top") for part in parts]
    assert tops[0] < tops[1] == tops[2] == tops[3], "below the name, side by side"


def test_on_a_narrow_page_the_plot_of_steps_is_drawn_narrow(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(address)
    (plot,) = (one for one in page.locator("#steps .plot").all()[:2] if one.is_visible())
    edges = plot.evaluate(
        """plot => [...plot.querySelectorAll('text')].map(text => {
          const {left, right} = text.getBoundingClientRect();
          return [left, right];
        })"""
    )
    assert len(edges) > 80
    assert [edge for edge in edges if edge[0] < 0 or edge[1] > 400] == []
    page.set_viewport_size({"width": 1400, "height": 900})
    assert not plot.is_visible()
    assert page.locator("#steps .plot.wide").first.is_visible()


def test_headings_show_that_they_sort_and_which_way(page: Page, address: str) -> None:
    visit(page, address)
    shown = """() => [...document.querySelectorAll('.table thead th')].map(heading =>
      [heading.getAttribute('aria-sort'), getComputedStyle(heading.querySelector('span'), '::after').content[1]])"""
    assert {(sort, sign) for sort, sign in page.evaluate(shown)} == {("none", "↕")}
    heading = page.locator("#t-steps thead th").nth(2)
    arrow = "heading => getComputedStyle(heading.querySelector('span'), '::after').content"
    button = heading.get_by_role("button")
    for key, way, sign in (("Enter", "ascending", "↑"), ("Space", "descending", "↓"), ("Enter", "none", "↕")):
        button.press(key)
        assert heading.get_attribute("aria-sort") == way
        assert heading.evaluate(arrow)[1] == sign


def test_without_javascript_no_heading_looks_as_if_it_sorted(browser: Browser, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    arrow = "heading => getComputedStyle(heading.querySelector('span'), '::after').content"
    assert {one.evaluate(arrow) for one in page.locator("#steps thead th").all()} == {"none"}
    page.close()


def test_a_second_heading_sorts_within_the_first(page: Page, address: str) -> None:
    visit(page, address)

    def names() -> list[tuple[str, str]]:
        shown: list[list[str]] = page.evaluate(
            """() => [...document.querySelector('#t-steps tbody').rows]
              .filter(row => !row.matches('.failed, .invalid, .skipped, .timeout'))
              .map(row => [row.cells[0].innerText, row.cells[1].innerText])"""
        )
        return [(framework, mode) for framework, mode in shown]

    for heading in ("mode", "framework"):
        page.locator("#steps thead").get_by_role("button", name=heading).click()
    assert names() == sorted(names(), key=lambda pair: (pair[0].lower(), pair[1]))
    by_framework_and_mode = names()
    page.locator("#steps thead").get_by_role("button", name="replicates").click()  # alike in all rows
    assert names() == by_framework_and_mode


def test_a_click_on_a_heading_sorts_the_rows_and_leaves_holes_below(page: Page, address: str) -> None:
    visit(page, address)
    heading = page.locator("#steps").get_by_role("button", name="first step")
    heading.click()
    training, inference = column(page, 0), column(page, 2)
    assert numbers(training) == sorted(numbers(training))
    assert numbers(inference) == sorted(numbers(inference))
    heading.click()
    training = column(page, 0)
    assert numbers(training) == sorted(numbers(training), reverse=True)
    assert training[-3:] == ["", "", ""]
    assert column(page, 2)[-1] == ""
    assert page.locator("#steps thead th[aria-sort$=ending]").get_attribute("aria-sort") == "descending"
    heading.click()
    assert page.locator("#steps tbody tr").first.inner_text().startswith("fastai")


def column(page: Page, part: int) -> list[str]:
    """Return the first-step column of a part of the table from top to bottom: training, heading, inference.

    Of each value the number that it is sorted by, which its text may show as a range.
    """
    texts = page.evaluate(
        """part => {
          const table = document.querySelector('#steps table');
          const at = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.startsWith('first step'));
          const value = cell => cell ? cell.dataset.sort ?? cell.textContent : '';
          return [...table.tBodies[part].rows].map(row => value(row.cells[at]));
        }""",
        part,
    )
    return [str(text).strip() for text in texts]


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace(",", "")) for text in texts if text]


def test_the_evidence_of_each_cell_opens_without_a_script(browser: Browser, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    first = page.locator("#evidence dd").first
    assert not first.is_visible()
    page.locator("#evidence summary").click()
    assert first.is_visible()
    page.close()


def test_reads_without_javascript(browser: Browser, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    visit(page, address)
    assert page.get_by_role("row").count() > 250
    assert page.get_by_role("img").count() >= 3
    page.close()
