"""What a reader does with a page of variants: their names have the sign that separates a reference's column."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_overview import fragment, matrix, rows

pytestmark = pytest.mark.browser
AddressOf = Callable[[str], str]


def test_a_variant_is_the_reference_and_the_address_keeps_it(page: Page, address_of: AddressOf) -> None:
    page.goto(address_of("varied"))
    page.locator("#matrix th", has_text="JAX@0.10.2 jit").click()
    assert fragment(page) == "ref=jax@0.10.2:jit&show=ratio"
    page.reload()
    assert matrix(page)["JAX@0.10.2 jit"] == ["1×", "1×"]
    page.locator("#matrix tr", has_text="JAX@0.9.2 jit").locator("td").nth(0).click()
    assert fragment(page) == "ref=jax@0.10.2:jit,jax@0.9.2:jit@regression/base&show=ratio"
    page.reload()
    assert matrix(page)["JAX@0.9.2 jit"][0] == "1×"
    assert "which this run does not have" not in page.locator("#shown").inner_text()


def test_filters_tell_variants_apart_in_matrix_and_tables(page: Page, address_of: AddressOf) -> None:
    page.goto(f"{address_of('varied')}#framework=jax@0.10.2")
    assert set(matrix(page)) == {"JAX@0.10.2 jit", "JAX@0.10.2 op-by-op"}
    page.locator("#t-variants").evaluate("box => { box.open = true; }")
    assert rows(page, "variants") == 4
    expect(page.locator("#matrix tr", has_text="JAX@0.10.2 jit").locator("td").first).to_have_class("q0 best")


def test_the_best_of_a_column_is_a_reference_while_one_is_shown(page: Page, address_of: AddressOf) -> None:
    page.goto(address_of("varied"))
    best = page.locator("#matrix .best")
    assert {each.locator("..").locator("th").inner_text() for each in best.all()} == {"JAX@0.9.2 jit"}
    page.locator("#find").fill("jit")
    assert {each.locator("..").locator("th").inner_text() for each in best.all()} == {"JAX@0.9.2 jit"}
