"""What a killed samestep left of its local turns is ended and removed before the next run; what lives stays."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from bench.turns.parking import PARENT
from bench.turns.turn import Outcome, to_record
from harness.errors import SetupError
from harness.launchers import emptied as emptied_files
from harness.launchers import local
from harness.launchers.base import Say
from harness.launchers.local import PREFIX, LocalLauncher, OneInterpreter, remove_left_behind
from tests.bench.protocol.test_replicate import turn as a_turn
from tests.factories import cell

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


class Packages:
    """The interpreter of every framework, made of a script that has one package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._python = folder / "python"
        self._python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo {folder} || cat "$PYTHONPATH/bench/code"\n')
        self._python.chmod(0o755)
        (folder / "numpy-1.dist-info").mkdir()

    def make(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        return {}

    def python(self, framework: str) -> Path:
        return self._python

    def damage(self, framework: str) -> str:
        return ""

    def inventory(self, framework: str) -> str:
        return f"inventory of {framework}"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(local, "adopt_orphans", lambda: None)
    monkeypatch.setattr(local, "end_strays", lambda spare: None)
    (tmp_path / "packages").mkdir()
    return Packages(tmp_path / "packages")


def test_a_replicate_imports_the_code_that_the_run_began_with(packages: Packages, tmp_path: Path) -> None:
    (tmp_path / "code" / "bench").mkdir(parents=True)
    (tmp_path / "code" / "bench" / "code").write_text("as the run began")
    launcher = LocalLauncher("venv", packages, code=tmp_path / "code")
    assert launcher.prepare(["torch"], lambda line: None) == {}
    assert launcher.take(a_turn(), lambda pid, folder: None).tail == ("as the run began",)


def test_the_packages_are_emptied_before_a_cold_start_and_before_no_other_turn(
    packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[Path] = []
    monkeypatch.setattr(emptied_files, "drop_from_page_cache", emptied.extend)
    (packages.folder / "numpy-1.dist-info" / "RECORD").write_text("")
    launcher = LocalLauncher("venv", packages)
    launcher.prepare(["torch"], lambda line: None)
    launcher.take(a_turn(), lambda pid, folder: None)
    assert emptied == []
    launcher.take(a_turn(cell=cell(framework="torch", track="cold")), lambda pid, folder: None)
    assert sorted(emptied) == [packages.folder / "numpy-1.dist-info" / "RECORD", packages.folder / "python"]


def test_packages_that_change_under_a_run_end_its_replicates_in_a_sentence(packages: Packages) -> None:
    launcher = LocalLauncher("venv", packages)
    launcher.prepare(["torch"], lambda line: None)
    (packages.folder / "numpy-1.dist-info").rename(packages.folder / "numpy-2.dist-info")
    outcome = launcher.take(a_turn(), lambda pid, folder: None)
    started = launcher.member(a_turn(alternates=True)).start(lambda pid, folder: None)
    assert isinstance(started, Outcome)
    for record in (to_record(a_turn(), outcome), to_record(a_turn(), started)):
        assert record.status == "failed"
        assert record.reason.startswith("launch: the packages of torch changed under the run (numpy-1.dist-info in ")


def test_each_variant_runs_in_its_own_interpreter(
    tmp_path: Path, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    other = Packages(tmp_path / "other")
    interpreters = {"torch": packages.python("torch"), "torch@2.9.0": other.python("torch")}
    monkeypatch.setattr(packages, "python", interpreters.__getitem__)
    launcher = LocalLauncher("venv", packages)
    assert launcher.prepare(["torch", "torch@2.9.0"], lambda line: None) == {}
    (other.folder / "numpy-1.dist-info").rename(other.folder / "numpy-2.dist-info")

    ends = [
        launcher.take(a_turn(cell=cell(framework="torch", variant=name)), lambda pid, folder: None)
        for name in ("", "2.9.0")
    ]

    assert [bool(end.log or end.exit_code is not None) for end in ends] == [True, False]
    assert ends[1].tail[0].startswith("the packages of torch@2.9.0 changed under the run")
    with pytest.raises(SetupError, match=r"torch@1\.0 has no environment"):
        launcher.take(a_turn(cell=cell(framework="torch", variant="1.0")), lambda pid, folder: None)


def test_what_all_modes_of_a_framework_need_its_variants_need_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "programs_missing", lambda offer: f"{offer.name} needs a compiler")
    assert local._without_programs(["tinygrad@0.10.0"]) == {"tinygrad@0.10.0": "tinygrad needs a compiler"}


def test_an_interpreter_that_does_not_start_is_the_reason_of_its_framework(packages: Packages) -> None:
    packages.python("torch").write_text("#!/bin/sh\necho 'no libpython' >&2; exit 127\n")
    launcher = LocalLauncher("venv", packages)
    (reason,) = launcher.prepare(["torch"], lambda line: None).values()
    assert reason.endswith("does not start with the variables of a replicate: no libpython")


def test_a_shim_is_asked_once_which_python_it_is(tmp_path: Path) -> None:
    """It would choose by the caller's variables, which a replicate does not have."""
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    interpreter = OneInterpreter(shim)
    interpreter.make(["numpy"], lambda line: None)
    assert interpreter.python("numpy") == Path(sys.executable)


@pytest.mark.parametrize(("device", "keeps"), [("cuda", True), ("cuda", False), ("cpu", True)])
def test_the_drivers_kernels_are_kept_from_turn_to_turn_and_go_with_the_run(
    packages: Packages, device: str, keeps: bool
) -> None:
    """The interpreter prints where the driver is to keep them, and leaves one there."""
    kernels = 'echo "kernels=$CUDA_CACHE_PATH"; [ -z "$CUDA_CACHE_PATH" ] || touch "$CUDA_CACHE_PATH/a"'
    script = f'#!/bin/sh\n[ "$1" = -c ] && echo {packages.folder} || {{ {kernels}; }}\n'
    packages.python("torch").write_text(script)
    launcher = LocalLauncher("venv", packages, keeps_kernels=keeps)
    launcher.prepare(["torch"], lambda line: None)
    on_device = a_turn(cell=cell(device=device))

    said = [launcher.take(on_device, lambda pid, folder: None).tail for _ in range(2)]

    assert said[0] == said[1]
    (line,) = said[0]
    folder = line.removeprefix("kernels=")
    assert bool(folder) == (device == "cuda" and keeps)
    if folder:
        assert (Path(folder) / "a").exists()
    launcher.close()
    launcher.close()
    assert not folder or not Path(folder).exists()


def test_the_kernels_of_a_samestep_that_was_killed_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}{NOBODY}-kernels-x" / "5").mkdir(parents=True)
    remove_left_behind()
    assert list(tmp_path.iterdir()) == []
