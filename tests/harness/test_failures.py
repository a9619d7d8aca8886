"""Errors of the system are one sentence with a remedy; all else says where its traceback is."""

import errno
import os
import re
import shutil
from pathlib import Path

import pytest

from harness.terminal import failures


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a"), "/a: No space left on device: free some space"),
        (OSError(errno.EMFILE, "Too many open files"), r"raise the limit of open files, which is \d+ \(ulimit -n\)"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "/a"), "choose a shorter name"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "/a: Permission denied: choose another folder"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), r"limit of processes \(ulimit -u"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in []"), "set TMPDIR to one"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "SAMESTEP_TRACEBACK=1 shows where it happened"),
        (MemoryError(), r"memory is used up: .* \(ulimit -v"),
        (RuntimeError("can't start new thread"), "no further thread can be started"),
        (RuntimeError("Could not determine home directory."), "set HOME to one"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "use UTF-8"),
        (ValueError("embedded null byte"), "a NUL character"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory is used up"),
        (ImportError("No module named 'rich'"), "a library of samestep cannot be loaded"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_the_system_is_one_sentence_with_its_remedy(error: Exception, said: str) -> None:
    sentence = failures.sentence(error)
    assert re.search(said, sentence), sentence
    assert "\n" not in sentence


def test_a_working_folder_that_was_deleted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as raised:
        Path.cwd()
    assert (
        failures.sentence(raised.value)
        == "No such file or directory: the working folder is gone: cd to one that exists"
    )


def test_a_fault_of_samestep_says_where_its_traceback_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyError) as raised:
        raise KeyError("x")
    sentence = failures.sentence(raised.value)
    (kept,) = tmp_path.iterdir()
    assert sentence.startswith("a fault of samestep, KeyError")
    assert str(kept) in sentence
    assert "Traceback" in kept.read_text()


def test_a_fault_whose_traceback_cannot_be_kept_says_how_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", os.devnull)
    assert failures.sentence(KeyError("x")).endswith("SAMESTEP_TRACEBACK=1 prints its traceback")


def test_a_word_that_is_longer_than_any_path_is_not_said_whole() -> None:
    path = "/" + "a/" * 2000
    assert failures.bounded(f"{path} is 'a {'b' * 100_000}' too") == f"{path} is 'a {'b' * 80}… too"


def test_of_a_copy_that_failed_file_by_file_one_failure_is_told(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    for name in range(300):
        (tmp_path / "from" / f"{name}").touch()

    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", source)

    with pytest.raises(shutil.Error) as raised:
        shutil.copytree(tmp_path / "from", tmp_path / "to", copy_function=full)
    said = failures.explained(raised.value)
    assert said.count("No space left on device") == 1
    assert said == failures.explained(OSError(errno.ENOSPC, "No space left on device", said.partition(":")[0]))
