"""Vega's runtime: kept in the cache folder of the user, and built anew where what is kept is damaged."""

import base64
import gzip
import hashlib
from pathlib import Path

import pytest

from harness.report.page import runtime as module
from harness.report.page.runtime import runtime


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A cache folder of the test's own, and what was built."""
    calls: list[str] = []

    def build() -> bytes:
        calls.append("built")
        return gzip.compress(b"window.vegaEmbed = 1;", mtime=0)

    monkeypatch.setattr(module, "_built", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return calls


def test_is_built_once_and_kept_for_the_next_page(built: list[str]) -> None:
    first, second = runtime(keep=True), runtime(keep=True)
    assert first == second
    assert built == ["built"]
    code = gzip.decompress(base64.b64decode(first.packed))
    assert first.sha256 == base64.b64encode(hashlib.sha256(code).digest()).decode()


def test_keeps_nothing_unless_it_is_told_to(built: list[str], tmp_path: Path) -> None:
    runtime(keep=False)
    assert list(tmp_path.iterdir()) == []
    runtime(keep=False)
    assert built == ["built", "built"]


def test_does_not_use_what_is_damaged(built: list[str]) -> None:
    first = runtime(keep=True)
    (kept,) = module.folder().iterdir()
    kept.write_bytes(gzip.compress(b"alert(1)"))
    assert runtime(keep=True) == first
    assert built == ["built", "built"]


def test_works_without_a_place_to_keep_it(built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert runtime(keep=True).packed


def test_the_folder_is_that_of_the_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.folder() == tmp_path / "samestep"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert module.folder() == Path("/home/someone/.cache/samestep")
