"""A library that changes under a run: the replicate that loaded it says so and has no numbers."""

import dataclasses
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from bench.records import codec
from bench.turns import loaded
from bench.turns.turn import RECORD_FILE
from tests import factories
from tests.bench.protocol.test_replicate import turn

HOUR_NS = 3600 * 10**9


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that this process has loaded, from before the run."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    path = tmp_path / "library.py"
    path.write_text("")
    os.utime(path, ns=(0, time.time_ns() - 2 * HOUR_NS))
    module = ModuleType("library")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "library_of_a_test", module)
    return path


def judged(folder: Path, since_unix_ns: int) -> tuple[str, str]:
    job = dataclasses.replace(turn(), unchanged_since_unix_ns=since_unix_ns)
    (folder / RECORD_FILE).write_text(codec.to_json(factories.record()), encoding="utf-8")
    loaded.require_unchanged(job, folder)
    record = codec.from_json((folder / RECORD_FILE).read_text(encoding="utf-8"))
    assert (record.timing is None) == (record.status != "ok")
    return record.status, record.reason


def test_what_was_there_before_the_run_is_no_change(library: Path, tmp_path: Path) -> None:
    assert judged(tmp_path, time.time_ns()) == ("ok", "")


def test_a_library_that_is_edited_under_the_run_ends_the_replicate_in_a_sentence(library: Path, tmp_path: Path) -> None:
    begun = time.time_ns()
    os.utime(library, ns=(0, begun + 1))
    status, reason = judged(tmp_path, begun)
    assert status == "failed"
    assert reason.startswith(f"{library} changed under the run: ")


def test_a_time_that_is_still_to_come_is_no_change(library: Path, tmp_path: Path) -> None:
    os.utime(library, ns=(0, time.time_ns() + HOUR_NS))
    assert judged(tmp_path, time.time_ns()) == ("ok", "")


def test_in_an_image_nothing_is_looked_at(library: Path, tmp_path: Path) -> None:
    os.utime(library)
    assert judged(tmp_path, 0) == ("ok", "")


def test_a_mapped_library_counts_and_the_scratch_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    begun = time.time_ns()
    maps = tmp_path / "maps"
    for path, seen in ((tmp_path / "with space.so", True), (scratch / "kernel.so", False)):
        path.touch()
        os.utime(path, ns=(0, begun + 1))
        maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 17   {path}\n7f02-7f03 rw-p 00000000 00:00 0   [heap]\n")
        monkeypatch.setattr(loaded, "MAPS", maps)
        monkeypatch.setenv("TMPDIR", str(scratch))
        changed = loaded.changed_since(begun)
        assert (changed == path) == seen
