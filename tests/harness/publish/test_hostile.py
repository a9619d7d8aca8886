"""Whatever a record says, it is text: in pages, attributes, the data of the scripts, paths, citations and CSV."""

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.publish import entry
from tests import factories
from tests.harness.publish.conftest import Publish
from tests.harness.publish.links import broken
from tests.harness.publish.runs import EAGER, written

EVIL = "\"'><script>alert(1)</script></title><img src=x onerror=alert(1)>{{7*7}}\u2028=cmd|'/c'!A1 \\end{x} ../../etc"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture
def evil_site(publish: Publish, tmp_path: Path, site: Path) -> Path:
    cell = factories.cell(framework="torch", mode=EVIL[:60], workload="../../up", allocator="A")
    lower = factories.cell(framework="torch", mode=EVIL[:60], workload="../../up", allocator="a")
    failed = factories.cell(mode="compile")
    folder = written(
        tmp_path / "results",
        "Evil <b> & 'run' ..",
        cells=(EAGER, cell, lower, failed),
        cpu=EVIL,
        versions=(f"torch=={EVIL}", EVIL),
        broken={failed: {"status": "failed", "reason": EVIL}},
    )
    assert publish(folder.path, author=EVIL) == 0
    return site


def test_no_page_has_a_tag_or_a_handler_from_a_record(evil_site: Path) -> None:
    pages = [path for path in evil_site.rglob("*.html") if "runs" not in path.relative_to(evil_site).parts]
    assert len(pages) == 5 + 4
    for path in pages:
        found = Tags(path.read_text(encoding="utf-8"))
        assert found.handlers == [], path
        assert "img" not in found.tags, path
        assert found.tags.count("script") == (3 if path.name == "compare.html" else 1), path


def test_the_bar_of_the_run_has_none_either(evil_site: Path) -> None:
    (page,) = evil_site.glob("runs/*/index.html")
    bar = page.read_text(encoding="utf-8").split("<aside", 1)[1].split("</aside>", 1)[0]
    found = Tags("<aside" + bar)
    assert found.handlers == []
    assert not {"img", "script", "title"} & set(found.tags)


def test_the_data_of_a_run_cannot_end_a_script_and_say_the_same(evil_site: Path) -> None:
    (path,) = evil_site.glob("data/*.js")
    text = path.read_text(encoding="utf-8")
    assert "<" not in text
    assert "\u2028" not in text
    assert text.isascii()
    data = json.loads(text.removeprefix(entry.CALL).removesuffix(entry.CALL_END))
    assert data["cpu"].startswith("\"'><script>alert(1)</script>")


def test_names_become_paths_inside_the_site_and_do_not_collide(evil_site: Path) -> None:
    assert list(broken(evil_site)) == []
    cells = {str(path.parent.relative_to(evil_site)).lower() for path in evil_site.glob("cells/*/*/*/index.html")}
    assert len(cells) == 4
    assert sorted(path.name for path in evil_site.parent.iterdir()) == ["results", "site"]


def test_a_table_for_spreadsheets_begins_no_formula(publish: Publish, tmp_path: Path, site: Path) -> None:
    written(tmp_path / "results", "run", cpu="=1+1", versions=("=2+2", "torch==1"))
    publish("run")
    (path, *_) = site.glob("cells/torch/eager/*/history.csv")
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    assert row["host"] == "'=1+1, 2 CPUs"
    assert row["versions"] == "'=2+2 torch==1"
    assert float(row["step_us"]) > 0


def test_a_damaged_data_file_is_named_with_what_helps(publish: Publish, tmp_path: Path, site: Path) -> None:
    from harness.errors import StoreError

    written(tmp_path / "results", "one")
    written(tmp_path / "results", "two", day=1)
    publish("one")
    (site / "data/one.js").write_text('samestepRun({"format":1});\n')
    with pytest.raises(StoreError, match=r"data/one\.js is damaged: .*Delete it and publish the run one again"):
        publish("two")
