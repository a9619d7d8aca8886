"""The temporary folder of the replicates: one in which compilers work, or a sentence before anything is measured."""

import os
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from harness.launchers import scratch


@pytest.mark.parametrize(
    "name", ["t sp", "t'q", 't"q', "t$HOME", "a;b", "a&b", "a:b", "a,b", "a\nb", "a#b", "a%b", "(a)"]
)
def test_a_path_that_compilers_do_not_take_is_a_fault(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert scratch.fault(folder).startswith("its path has ")


def test_a_plain_path_has_no_fault_and_a_missing_one_has(tmp_path: Path) -> None:
    assert scratch.fault(tmp_path) == ""
    assert scratch.fault(tmp_path / "gone") == "No such file or directory"
    latin = tmp_path / os.fsdecode(b"caf\xe9")
    latin.mkdir()
    assert scratch.fault(latin) == "its name is not UTF-8"


def test_a_full_disk_and_noexec_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda folder: usage(30 << 20))
        assert scratch.fault(tmp_path) == "only 30 MiB are free there, 512 are needed"
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda folder: os.statvfs_result((*real[:8], os.ST_NOEXEC, real[9])))
    assert "noexec" in scratch.fault(tmp_path)


def test_another_folder_is_taken_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = tmp_path / "t sp", tmp_path / "good"
    bad.mkdir()
    good.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(bad))
    said: list[str] = []
    assert scratch.choose(said.append, (tmp_path / "gone", good)) == good
    assert said == [
        f"Replicates use {good}, not the temporary folder {bad}: its path has a space, which compilers do not take."
    ]
    assert scratch.choose(said.append, ()) == bad
    assert "is kept, although modes that compile may fail" in said[1]
    monkeypatch.setattr(tempfile, "tempdir", str(good))
    assert scratch.choose(said.append, ()) == good
    assert len(said) == 2
