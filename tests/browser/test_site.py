"""A site of twelve runs in a real Chromium, from the disk: published runs, old schemas, copies with other versions."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from harness.compare.compare import Comparison, compare
from harness.compare.render import render
from harness.environments.checkout import ROOT
from harness.publish import command, pages
from harness.publish.add import Allowed
from harness.publish.command import Asked
from harness.report.charts.draw import draw
from harness.store.folder import RUN_FILE, RunFolder
from harness.validity.results import load
from tests.factories import cell
from tests.harness.publish.links import broken
from tests.harness.publish.runs import COMPILE, EAGER, copied, written
from tests.older import OLDER

pytestmark = pytest.mark.browser
PUBLISHED = ROOT / "results" / "published"
HISTORY = "cells/jax/jit/regression-base-adam-float32-cpu-default/index.html"
KINDS = (
    "index.html",
    "cells/index.html",
    HISTORY,
    "stale.html",
    "cite.html",
    "compare.html#a=a&b=b",
    "runs/a/index.html",
)
TWO_SESSIONS: dict[str, Any] = {"seed": 43, "day": 1, "probe_ns": 102}


def publish(site: Path, *runs: Path) -> int:
    allowed = Allowed(first_look=True, invalid=True)
    asked = Asked(runs=tuple(map(str, runs)), site=site, results=site, allowed=allowed, author="A. Name")
    return command.publish(asked)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one cell or two: `a`, and others to compare it with."""
    folder = tmp_path_factory.mktemp("runs")
    fused, failing = cell(mode="fused"), cell(mode="foreach")
    broken = {failing: {"status": "invalid", "reason": "it <fell> back"}}
    written(folder, "a", cells=(EAGER, COMPILE, fused), steps_us=(100, 104, 99, 101, 98, 102))
    written(
        folder, "b", cells=(EAGER, COMPILE, failing), steps_us=(110, 109, 113, 111, 108), broken=broken, **TWO_SESSIONS
    )
    written(folder, "side-by-side", steps_us=(120, 125, 119, 121, 117, 123), launcher="docker")
    written(folder, "elsewhere", cpu="Another processor", **TWO_SESSIONS)
    return folder


@pytest.fixture(scope="module")
def site(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of the runs above, the published ones, and copies of one of them. Drawn are the charts of JAX alone."""
    copies = tmp_path_factory.mktemp("copies")
    old = OLDER / "20261120-cpu-quick"
    for number in range(5):
        versions = {"jax": "0.11.0", "torch": "2.14.0"} if number > 2 else {}
        copied(
            old,
            copies / f"copy-{number}",
            days=number + 1,
            cpu=("Left host", "Right host")[number % 2],
            versions=versions,
        )
    made = tmp_path_factory.mktemp("site") / "site"
    with pytest.MonkeyPatch.context() as patch:
        for module in ("harness.report.plots.all", "harness.report.charts.all"):
            patch.setitem(sys.modules, module, None)
        patch.setattr(
            pages, "draw", lambda spec, name, label: draw(spec, name=name, label=label) if "jax" in label else ""
        )
        published = [path for path in (*PUBLISHED.iterdir(), *OLDER.iterdir()) if (path / RUN_FILE).is_file()]
        assert publish(made, *published, *copies.iterdir(), *(path for path in runs.iterdir())) == 0
    return made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    yield page
    page.close()


def address(site: Path, name: str) -> str:
    path, hash_, rest = name.partition("#")
    return (site / path).as_uri() + hash_ + rest


def test_it_has_twelve_runs_and_every_link_and_anchor_leads_somewhere(site: Path) -> None:
    assert len(list((site / "runs").iterdir())) >= 12
    assert list(broken(site)) == []


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_opens_from_the_disk_with_nothing_that_axe_finds(
    browser: Browser,
    site: Path,
    name: str,
    width: int,
    scheme: str,
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address(site, name))
    if name.startswith("compare"):
        page.wait_for_selector("#compared tbody tr")
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:"))] == []
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if not name.startswith("runs/"):  # the report has tests of its own
        page.evaluate("[...document.querySelectorAll('tbody tr')].slice(20).forEach(row => row.remove())")  # all alike
        found = Axe().run(page)
        assert [
            (each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found.response["violations"]
        ] == []
    page.close()


def test_without_scripts_all_but_the_comparison_is_there(browser: Browser, site: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address(site, "index.html"))
    assert page.locator("#runs tbody tr").count() >= 12
    assert not page.locator("form.filter").is_visible()
    assert page.locator("thead button").count() == 0
    page.goto(address(site, HISTORY))
    assert page.locator("svg").is_visible()
    page.goto(address(site, "compare.html"))
    assert page.locator("noscript").inner_text().startswith("This page needs JavaScript")
    page.close()


def test_the_index_sorts_filters_and_keeps_the_filter_in_its_address(page: Page, site: Path) -> None:
    page.goto(address(site, "index.html"))
    names, dates = page.locator("#runs tbody tr:visible th"), page.locator("#runs tbody td:first-child")
    newest = dates.all_inner_texts()
    assert newest == sorted(newest, reverse=True)
    page.get_by_role("button", name="started").click()
    assert dates.all_inner_texts() == sorted(newest)
    page.get_by_role("searchbox").fill("right HOST")
    assert [name.split()[0] for name in names.all_inner_texts()] == ["copy-1", "copy-3"]
    assert page.locator("output").inner_text() == f"2 of {len(newest)} runs"
    page.goto(page.url)
    page.reload()
    assert names.count() == 2


def test_a_history_shows_hosts_and_changes_of_versions(page: Page, site: Path) -> None:
    page.goto(address(site, HISTORY))
    hosts = page.locator(".legend li").all_inner_texts()
    assert len(hosts) == len(set(hosts))
    assert {"Left host, 2 CPUs", "Right host, 2 CPUs"} < set(hosts), "beside those of the published runs"
    chart = page.locator(".chart svg")
    assert "jax 0.10.2 → 0.11.0" in chart.inner_html()
    assert page.locator("tbody tr", has_text="0.10.2 → 0.11.0").count() == 2  # once on each host
    page.get_by_role("link", name="compare copy-4 with it").click()
    page.wait_for_selector("#compared tbody tr")
    assert page.url.endswith("compare.html#a=copy-2&b=copy-4")


def test_paper_has_the_tables_and_no_controls(page: Page, site: Path) -> None:
    page.emulate_media(media="print")
    page.goto(address(site, "index.html"))
    assert page.locator("#runs").is_visible()
    assert not page.locator("header nav").is_visible()
    assert not page.locator("form.filter").is_visible()


class TestCompare:
    def of(self, page: Page, site: Path, a: str, b: str) -> dict[str, list[str]]:
        page.goto("about:blank")
        page.goto(address(site, f"compare.html#a={a}&b={b}"))
        page.wait_for_selector("#compared tbody tr")
        rows = page.locator("#compared tbody tr").all()
        return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}

    def command(self, runs: Path, a: str, b: str) -> Comparison:
        return compare(load(RunFolder(runs / a)), load(RunFolder(runs / b)))

    @pytest.mark.parametrize("b", ["b", "side-by-side", "elsewhere"])
    def test_has_the_ratios_and_intervals_of_the_command(self, page: Page, site: Path, runs: Path, b: str) -> None:
        shown = self.of(page, site, "a", b)
        command = self.command(runs, "a", b)
        rows = list(csv.DictReader(io.StringIO(render(command, "csv"))))
        matched = [row for row in rows if row["verdict"] != "unmatched"]
        assert len(shown) == len(matched) == 2
        for compared, row in zip(command.cells, matched, strict=True):
            ratio, low, high = (float(row[key]) for key in ("ratio", "ci_low", "ci_high"))
            _, _, step, _, _, note = shown[compared.what]
            assert step == f"{ratio:.3f} ({low:.3f} to {high:.3f})"
            assert note == (f"not comparable: {compared.why}" if compared.why else "beyond the noise floor")
        assert (b == "side-by-side") is command.paired
        assert command.basis.split(",")[0].split(":")[0].split(";")[0] in page.locator("#compared").inner_text()

    def test_says_what_is_not_compared_and_names_the_command(self, page: Page, site: Path) -> None:
        self.of(page, site, "a", "b")
        text = page.locator("#compared").inner_text()
        assert "torch fused regression adam: not in B" in text
        assert "torch foreach regression adam: not in A" in text
        assert "samestep compare runs/a runs/b" in text

    def test_without_drift_probes_nothing_is_comparable(self, page: Page, site: Path) -> None:
        shown = self.of(page, site, "20261120-cpu-quick", "20261128-cpu-quick")
        assert {cells[5] for cells in shown.values()} == {"not comparable"}
        assert "no drift probes" in page.locator("#compared").inner_text()

    def test_a_run_that_is_not_there_or_the_same_twice_is_said(self, page: Page, site: Path) -> None:
        for hash_, said in (
            ("a=..%2F..%2Fx&b=a", "There is no run ../../x"),
            ("a=a&b=a", "the same run"),
            ("a=a", "Choose two"),
        ):
            page.goto("about:blank")
            page.goto(address(site, f"compare.html#{hash_}"))
            assert said in page.locator("#compared").inner_text()

    def test_other_runs_are_chosen_by_hand(self, page: Page, site: Path) -> None:
        page.goto(address(site, "compare.html"))
        page.locator("select[name=a]").select_option("a")
        page.locator("select[name=b]").select_option("b")
        page.wait_for_selector("#compared tbody tr")
        assert page.url.endswith("#a=a&b=b")
        page.get_by_role("button", name="Swap").click()
        page.wait_for_function("document.querySelector('#compared p').textContent.startsWith('A: b')")
