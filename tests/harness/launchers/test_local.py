"""What a killed samestep left of its local turns is ended and removed before the next run; what lives stays."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.turns.parking import PARENT
from harness.launchers.local import PREFIX, remove_left_behind

NOBODY = 2**22 + 1  # no process of Linux has a greater number than 2²²


@pytest.fixture
def turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """The folder of a turn whose owner is not known yet, named after it by the test, and a process in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"{PREFIX}{NOBODY}-x"
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "TMPDIR": str(scratch)}) as process:
        yield folder, process
        process.kill()


def test_an_orphan_is_ended_and_its_folder_removed(turn: tuple[Path, subprocess.Popen[bytes]]) -> None:
    folder, orphan = turn
    remove_left_behind()
    assert not psutil.pid_exists(orphan.pid)
    assert not folder.exists()


def test_a_turn_whose_samestep_runs_stays(turn: tuple[Path, subprocess.Popen[bytes]]) -> None:
    folder, process = turn
    alive = folder.rename(folder.with_name(f"{PREFIX}{os.getpid()}-x"))
    remove_left_behind()
    assert process.poll() is None
    assert alive.exists()


@pytest.mark.parametrize(("gone", "code"), [(False, 0), (True, 1)])
def test_a_process_that_finds_its_parent_gone_when_it_starts_ends(gone: bool, code: int) -> None:
    script = "from bench.turns.prepare import end_with_parent; end_with_parent()"
    parent = NOBODY if gone else os.getpid()
    ended = subprocess.run([sys.executable, "-c", script], env={**os.environ, PARENT: str(parent)}, check=False)
    assert ended.returncode == code
