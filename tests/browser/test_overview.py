"""What a reader does with the page: the matrix, its filters and references, and the address that keeps them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.small import REASON

pytestmark = pytest.mark.browser
AddressOf = Callable[[str], str]


@pytest.fixture
def opened(page: Page, address_of: AddressOf) -> Page:
    page.goto(address_of("small"))
    return page


def matrix(page: Page) -> dict[str, list[str]]:
    """The texts of the matrix that are in sight, by the head of their row; a field that is out is a dot."""
    return page.evaluate(  # type: ignore[no-any-return]
        """() => Object.fromEntries([...document.querySelectorAll('#matrix tr[data-row]')]
          .filter(row => row.checkVisibility())
          .map(row => [row.cells[0].innerText.trim(), [...row.cells].slice(1).filter(field => !field.hidden)
            .map(field => field.classList.contains('out') ? '·' : field.innerText.trim())]))"""
    )


def rows(page: Page, table: str) -> int:
    """How many rows of a table are in sight."""
    return page.locator(f"#t-{table} tbody:not(.group) tr:not([hidden])").count()


def fragment(page: Page) -> str:
    return page.url.partition("#")[2]


@pytest.mark.parametrize("name", ["ladders", "large"])
def test_each_of_the_four_questions_is_answered_in_two_clicks(page: Page, address_of: AddressOf, name: str) -> None:
    page.goto(address_of(name))
    seen = {
        "What is fastest here?": "#matrix .best",
        "What does compiling cost, and when does it pay back?": "#compile figure svg",
        "What does it take in memory?": "#memory figure svg",
        "What can I not trust?": "#doubts .entries div",
    }
    for question, answer in seen.items():
        page.get_by_role("link", name=question).click()
        expect(page.locator(answer).first).to_be_in_viewport()


def test_a_row_is_the_reference_of_all_columns_and_a_field_of_its_own(opened: Page) -> None:
    assert matrix(opened)["PyTorch eager"] == ["300 µs", "4.00 ms", "400 µs"]
    opened.locator("#matrix th", has_text="PyTorch eager").click()
    assert fragment(opened) == "ref=torch:eager&show=ratio"
    assert matrix(opened) == {
        "JAX jit": ["2.00×", "0.600×", "0.250×"],
        "PyTorch eager": ["1×", "1×", "1×"],
        "JAX op-by-op": ["26.7×", "2.25×", "2.50×"],
        "PyTorch compile": ["1.03×", "failed", "0.500×"],
    }
    opened.locator("#matrix tr", has_text="jit").locator("td").nth(0).click()
    assert fragment(opened) == "ref=torch:eager,jax:jit@convnet/S&show=ratio"
    assert matrix(opened)["PyTorch eager"] == ["0.500×", "1×", "1×"]
    opened.locator("#matrix tr", has_text="jit").locator("td").nth(0).click()
    opened.locator("#matrix th", has_text="PyTorch eager").click()
    assert fragment(opened) == ""
    assert matrix(opened)["PyTorch eager"] == ["300 µs", "4.00 ms", "400 µs"]


def test_what_is_less_than_the_reference_has_another_colour_than_what_is_more(opened: Page) -> None:
    opened.locator("#matrix th", has_text="PyTorch eager").click()
    fields = opened.locator("#matrix tr", has_text="jit").locator("td")
    css = [each.get_attribute("class") or "" for each in fields.all()]
    assert [one.split()[0][0] for one in css] == ["m", "q", "q"]
    assert "less is blue, more is brown" in opened.locator(".key").inner_text()


def test_without_a_reference_a_ratio_is_to_the_best_that_is_shown(opened: Page) -> None:
    opened.get_by_text("Ratio", exact=True).click()
    assert matrix(opened)["JAX jit"] == ["2.00×", "1×", "1×"]
    opened.get_by_text("Filters").click()
    opened.get_by_role("checkbox", name="PyTorch").check()
    assert matrix(opened) == {"PyTorch eager": ["1×", "1×", "2.00×"], "PyTorch compile": ["1.03×", "failed", "1×"]}
    opened.get_by_text("Absolute", exact=True).click()
    assert fragment(opened) == "framework=torch"


def test_a_measure_changes_what_the_fields_show(opened: Page) -> None:
    opened.get_by_text("First step", exact=True).click()
    assert fragment(opened) == "measure=first"
    assert matrix(opened)["JAX jit"] == ["5.40 ms", "21.6 ms", "900 µs"]
    opened.get_by_text("Peak memory", exact=True).click()
    assert matrix(opened)["JAX jit"] == ["300 MiB", "300 MiB", "300 MiB"]


def test_filters_and_search_act_on_matrix_tables_and_charts(opened: Page) -> None:
    assert (rows(opened, "steps"), rows(opened, "memory")) == (12, 12)
    opened.get_by_text("Filters").click()
    opened.get_by_role("checkbox", name="mlp").check()
    opened.get_by_label("Search").fill("jax jit")
    assert matrix(opened) == {"JAX jit": ["2.40 ms", "100 µs"]}
    assert opened.locator("#matrix th[data-column]:visible").all_inner_texts() == ["M", "S"]
    assert (rows(opened, "steps"), rows(opened, "memory"), rows(opened, "proof")) == (2, 2, 2)
    expect(opened.locator("#shown")).to_have_text("2 of 12 cells are shown.")
    expect(opened.locator("#t-steps .count")).to_have_text("2 of 12 rows")
    opened.locator("#steps").scroll_into_view_if_needed()
    expect(opened.locator("#steps figure.is-live:visible")).to_have_count(2)  # the convnet's is gone
    texts = opened.locator("#steps figure.is-live .live svg").first.text_content() or ""
    assert "jit" in texts
    assert "eager" not in texts


def test_a_live_chart_fits_a_narrow_page(opened: Page) -> None:
    opened.get_by_label("Search").fill("jit")
    opened.locator("#steps").scroll_into_view_if_needed()
    drawing = opened.locator("#steps figure.is-live .live svg").first
    wide = drawing.evaluate("drawing => drawing.getBoundingClientRect().width")
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.wait_for_function("() => document.querySelector('#steps .is-live .live svg').clientWidth < 400")
    assert wide > 900
    assert "JAX jit" in (drawing.text_content() or "")  # framework and mode in one text, above their row
    overflow = "box => box.scrollWidth > box.clientWidth"
    assert not opened.locator("#steps figure.is-live .live").first.evaluate(overflow)


def test_the_address_restores_a_view_in_another_page(opened: Page, browser: Browser) -> None:
    opened.get_by_text("Filters").click()
    opened.get_by_role("checkbox", name="convnet").check()
    opened.locator("#matrix th", has_text="JAX jit").click()
    opened.get_by_role("link", name="Proof of mode").click()
    assert fragment(opened) == "workload=convnet&ref=jax:jit&show=ratio&at=proof"
    other = browser.new_page(viewport={"width": 1400, "height": 900})
    other.goto(opened.url)
    assert matrix(other) == matrix(opened)
    assert other.locator("#shown").inner_text() == opened.locator("#shown").inner_text()
    assert other.get_by_role("checkbox", name="convnet", include_hidden=True).is_checked()
    expect(other.locator("#proof h2")).to_be_in_viewport()
    other.close()


def test_the_back_button_undoes_one_change_after_the_other(opened: Page) -> None:
    start = matrix(opened)
    opened.locator("#matrix th", has_text="JAX jit").click()
    ratios = matrix(opened)
    opened.get_by_label("Search").press_sequentially("mlp")
    opened.go_back()
    assert matrix(opened) == ratios
    opened.go_back()
    assert matrix(opened) == start
    opened.go_forward()
    assert matrix(opened) == ratios


@pytest.mark.parametrize(
    "address",
    ["%", "framework=%E0%A4%A", "ref=nobody:none@nowhere", "sort=<script>", "a=b&&==&at=nothing", "show=both&measure=x",
     "find=%00", "ref=torch:eager@@@", "framework=__proto__,constructor"],
)  # fmt: skip
def test_an_address_that_says_nothing_is_ignored(page: Page, address_of: AddressOf, address: str) -> None:
    page.goto(f"{address_of('small')}#{address}")
    expect(page.locator("#shown")).to_contain_text("cells are shown." if "find" not in address else "of 12 cells")
    assert page.locator("#matrix tbody td").count() == 12


def test_what_an_address_asks_for_in_vain_is_said(page: Page, address_of: AddressOf) -> None:
    page.goto(f"{address_of('small')}#size=S,XL&framework=nonsense")
    said = "The address also asks for size XL, framework nonsense, which this run does not have."
    expect(page.locator("#shown")).to_have_text(f"8 of 12 cells are shown. {said}")


def test_where_nothing_matches_it_says_so_and_leads_back(opened: Page) -> None:
    opened.get_by_label("Search").fill("nonsense")
    expect(opened.locator("#nothing")).to_be_visible()
    assert not opened.locator(".key").is_visible()
    opened.get_by_role("button", name="Show all cells").click()
    assert len(matrix(opened)) == 4
    assert fragment(opened) == ""


def test_a_heading_sorts_the_rows(opened: Page) -> None:
    opened.locator("#matrix th[data-column]").nth(0).click()
    assert list(matrix(opened)) == ["PyTorch eager", "PyTorch compile", "JAX jit", "JAX op-by-op"]
    assert fragment(opened) == "sort=convnet/S"


def test_a_hole_leads_to_its_reason(opened: Page) -> None:
    opened.get_by_role("link", name="failed").first.click()
    entry = opened.locator("#why-1")
    expect(entry).to_be_in_viewport()
    assert REASON in entry.inner_text()


def test_everything_can_be_done_by_keyboard(opened: Page) -> None:
    opened.locator("#find").focus()
    for key in ("Tab", "ArrowRight", "Tab", "ArrowRight"):  # measure: first step; show: ratio
        opened.keyboard.press(key)
    assert fragment(opened) == "measure=first&show=ratio"
    opened.locator("#matrix tbody th").first.focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        opened.keyboard.press(key)
    assert "ref=torch:eager@convnet/S" in fragment(opened)
    focused = opened.evaluate("document.activeElement.innerText")
    assert focused == "1×"
    outline = opened.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert "PyTorch eager on convnet S" in opened.locator("#told").inner_text()
    opened.keyboard.press("Home")
    opened.keyboard.press("Enter")
    assert "ref=torch:eager&" in fragment(opened) + "&"


def test_a_field_tells_all_that_is_known_of_its_cell(opened: Page) -> None:
    opened.locator("#matrix tr", has_text="JAX jit").locator("td").nth(0).hover()
    said = opened.locator("#told").inner_text()
    assert said.startswith("JAX jit on convnet S: step 600 µs (95 % interval ")
    assert "step 2.00× that of PyTorch eager" in said
    opened.locator("#matrix tr", has_text="compile").locator("td.hole").hover()
    assert opened.locator("#told").inner_text() == f"PyTorch compile on mlp M: failed, {REASON}"


def test_reset_leaves_nothing_chosen(page: Page, address_of: AddressOf) -> None:
    page.goto(f"{address_of('small')}#framework=jax&find=mlp&ref=jax:jit&show=ratio&sort=mlp/S&measure=first")
    page.get_by_role("button", name="Reset").click()
    assert fragment(page) == ""
    assert len(matrix(page)) == 4
    assert page.locator("#find").input_value() == ""
    assert page.get_by_role("button", name="Reset").is_disabled()
