"""Each picture that a page shows comes from a published run, and the list of these runs says what their files say."""

import datetime
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.environments.checkout import ROOT
from harness.errors import StoreError
from tests.browser import chromium
from tests.pictures import published
from tests.pictures.__main__ import main
from tests.pictures.photograph import MOST_BYTES, SOURCE
from tests.pictures.table import BY_HAND, PICTURES, PUBLISHED, Picture

PAGES = (ROOT / "README.md", PUBLISHED / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SUFFIXES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp")
SHOWN = re.compile(r"""!\[([^\]]*)\]\(([^)\s]+)[^)]*\)|<img[^>]*src=["']([^"']+)""")
EACH_PICTURE = pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.path)


def shown() -> dict[str, str]:
    """Return the text that stands for each picture of the pages, by its path in the checkout."""
    found = {}
    for page in PAGES:
        for text, path, source in SHOWN.findall(page.read_text(encoding="utf-8")):
            found[(page.parent / (path or source)).resolve().relative_to(ROOT.resolve()).as_posix()] = text
    return found


def test_each_picture_that_a_page_shows_is_made_from_a_run_or_is_drawn_by_hand() -> None:
    known = {*BY_HAND, *(picture.path for picture in PICTURES)}
    assert len(known) == len(PICTURES) + len(BY_HAND)
    assert set(shown()) == known
    files = [path for path in (ROOT / "docs").rglob("*") if path.suffix in SUFFIXES]
    assert {path.relative_to(ROOT).as_posix() for path in files} == known
    assert [path for path in known if not (ROOT / path).is_file()] == []
    assert all(len(text) > 20 for text in shown().values())  # it is read out where nobody sees the picture


@EACH_PICTURE
def test_a_picture_was_made_from_the_records_of_its_run(picture: Picture) -> None:
    records = (PUBLISHED / picture.run / "records.jsonl").read_bytes()
    with Image.open(ROOT / picture.path) as image:
        source = image.info[SOURCE]
        assert image.width == picture.width_px
        assert 200 < image.height <= picture.most_px
    assert source == f"{picture.run}, records.jsonl SHA-256 {hashlib.sha256(records).hexdigest()}", (
        "run `make pictures`"
    )
    assert (ROOT / picture.path).stat().st_size <= MOST_BYTES


def rows(text: str) -> dict[str, dict[str, str]]:
    """Return the fields of each line of the list by their headings, by the run's folder."""
    lines = text.partition(published.BEGIN)[2].partition(published.END)[0].split("\n")
    table = [[field.strip() for field in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    named = [dict(zip(table[0], line, strict=True)) for line in table[2:]]
    return {re.findall(r"\(([^/)]+)/", row["run"])[0]: row for row in named}


def test_the_list_has_each_published_run_with_what_its_files_say() -> None:
    listed = rows((PUBLISHED / "README.md").read_text(encoding="utf-8"))
    assert set(listed) == {path.name for path in PUBLISHED.iterdir() if path.is_dir()}
    for name, row in listed.items():
        facts: dict[str, Any] = json.loads((PUBLISHED / name / "run.json").read_bytes())
        lines = (PUBLISHED / name / "records.jsonl").read_text(encoding="utf-8").splitlines()
        ran = [json.loads(line)["cell"] for line in lines]
        cells = {tuple(cell.values()) for cell in ran if cell["track"] in ("identical", "stream")}
        started = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=facts["started_unix_ns"] // 1000)
        assert row["started, UTC"] == started.isoformat(sep=" ")[:16]
        assert row["cells"] == str(len(cells))
        assert row["blocks"] == str(facts.get("blocks_run") or facts["blocks"])
        assert facts["host"]["cpu"] in row["host"]
        assert facts["profile"] in row["command"]
        assert (PUBLISHED / name / "report" / "index.md").is_file()


def test_the_list_is_the_one_that_the_command_writes() -> None:
    text = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    assert text == published.updated(text, PUBLISHED), "run `make pictures`"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of published runs that holds the smallest of ours."""
    smallest = min(PUBLISHED.glob("*/records.jsonl"), key=lambda path: path.stat().st_size).parent
    copy = tmp_path / "runs" / "one"
    copy.mkdir(parents=True)
    for name in ("run.json", "plan.json", "records.jsonl"):
        shutil.copy(smallest / name, copy / name)
    (copy.parent / "README.md").write_text(f"# Runs\n\n{published.BEGIN}\nold\n{published.END}\nby hand\n")
    return copy.parent


def test_the_list_takes_its_place_and_leaves_the_rest(runs: Path) -> None:
    text = published.updated((runs / "README.md").read_text(), runs)
    assert text.startswith(f"# Runs\n\n{published.BEGIN}\n\n| run |")
    assert text.endswith(f"|\n\n{published.END}\nby hand\n")
    assert "old" not in text
    assert set(rows(text)) == {"one"}
    assert published.updated(text, runs) == text


def test_a_hostile_run_keeps_to_its_fields(runs: Path) -> None:
    facts = json.loads((runs / "one" / "run.json").read_bytes())
    facts["host"]["cpu"] = "A | <b>B</b>\n\n# C"
    facts["selection"] = ["framework=`|<i>"]
    (runs / "one" / "run.json").write_text(json.dumps(facts))
    listed = published.listed(runs)
    (line,) = listed.splitlines()[2:]
    assert len(re.findall(r"(?<!\\)\|", line)) == len(published.HEADINGS) + 1
    assert "<b>" not in line.replace("\\<", "")
    assert line.count("`") == 2


def test_without_a_place_for_the_list_a_sentence_says_which_lines_are_missing(runs: Path) -> None:
    with pytest.raises(StoreError, match=r"README\.md has no place for the list"):
        published.updated("# Runs\n", runs)


def said(capsys: pytest.CaptureFixture[str], runs: Path) -> tuple[int, str, str]:
    code = main(runs.parent, runs, PICTURES)
    out, err = capsys.readouterr()
    return code, out, err


def test_without_a_chromium_a_sentence_says_so_and_the_list_is_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chromium, "NAMES", ("no-such-browser",))
    code, out, err = said(capsys, runs)
    assert (code, out) == (1, "runs/README.md: written\n")
    assert err == "pictures: There is no Chromium on this machine: install it, such as with apt install chromium.\n"
    assert said(capsys, runs)[1] == "runs/README.md: unchanged\n"


def test_a_run_that_cannot_be_read_is_one_sentence_with_its_file(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chromium, "NAMES", ("no-such-browser",))
    (runs / "one" / "run.json").write_text("{")
    code, out, err = said(capsys, runs)
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first.startswith(f"pictures: {runs / 'one' / 'run.json'}")
    assert second.startswith("pictures: There is no Chromium")


@pytest.mark.browser
def test_the_command_says_what_it_did(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if chromium.path() is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    top = Picture(path="top.png", run="one", last="h1", most_px=900)
    other = Picture(path="other.png", run="none", last="h1", most_px=900)
    assert main(runs, runs, [top]) == 0
    assert capsys.readouterr().out == "README.md: written\ntop.png: written\n"
    assert main(runs, runs, [top, other]) == 1
    out, err = capsys.readouterr()
    assert out == "README.md: unchanged\ntop.png: unchanged\n"
    assert err == f"pictures: other.png shows the run {runs / 'none'}, which is not there: change its row.\n"
