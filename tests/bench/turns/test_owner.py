"""Who made a folder: also as seen from another PID namespace, where numbers of processes mean others, or none."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.turns import owner
from harness.environments.locks import ROOT
from harness.launchers.local import PREFIX, remove_left_behind

NEW_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")


def may_unshare() -> bool:
    return subprocess.run([*NEW_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not may_unshare(), reason="no PID namespace can be made here")


def in_new_namespace(code: str) -> str:
    command = [*NEW_NAMESPACE, sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_this_process_runs_and_a_later_one_with_its_number_is_another() -> None:
    mine = owner.name()
    before, _, began = mine.rpartition("-")
    assert owner.is_alive(f"{mine}-abc")
    assert owner.is_alive(f"{before}-{int(began) - 1}") is False


@pytest.mark.parametrize(("made", "alive"), [("999999999-x", False), ("", None), ("x-1", None)])
def test_older_names_are_numbers(made: str, alive: bool | None) -> None:
    assert owner.is_alive(made) is alive
    assert owner.is_alive(f"{os.getpid()}-x")


@needs_namespaces
def test_nobody_in_another_namespace_takes_this_process_for_dead() -> None:
    assert in_new_namespace(f"from bench.turns import owner; print(owner.is_alive({owner.name()!r}))") == "True"


@needs_namespaces
@pytest.mark.skipif(owner.namespace(Path("/proc/self")) != owner.INITIAL, reason="this is not the host's namespace")
def test_a_maker_whose_namespace_has_ended_is_dead() -> None:
    assert owner.is_alive(in_new_namespace("from bench.turns import owner; print(owner.name())")) is False


@needs_namespaces
def test_the_folder_of_a_running_samestep_stays_for_one_in_another_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner.name()}-", dir=tmp_path))
    in_new_namespace("from harness.launchers.local import remove_left_behind; remove_left_behind()")
    assert folder.is_dir()


def test_what_a_killed_samestep_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{PREFIX}{owner.name().rpartition('-')[0]}-1-abc"
    left.mkdir()
    remove_left_behind()
    assert not left.exists()
