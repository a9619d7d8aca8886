"""The commands that samestep prints work when they are pasted into a shell, whatever the folders are called."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.catalogue import catalogue
from harness.environments.venvs import Environments
from harness.errors import SetupError, StoreError
from harness.launchers.docker import check_readable
from harness.launchers.local import LocalLauncher, OneInterpreter
from harness.launchers.workers import Patience, WorkersLauncher, absence
from harness.report.onward import next_command, resume_command
from harness.store.folder import RECORDS_FILE, RunFolder
from harness.terminal import shell
from tests.factories import run_facts

ODD = (
    *("with space", "it's", 'a "q"', "-n", "$HOME", "a\nb", "a;b&c", "`id`", "ü", "*?[x]", "!x\\y", "~"),
    os.fsdecode(b"caf\xe9"),
)
PRINTS = f"#!{sys.executable}\nimport os, sys\nprint([os.fsencode(word) for word in sys.argv[1:]])\n"


@pytest.fixture(params=ODD, ids=ascii)
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / str(request.param)
    path.mkdir()
    return path


@pytest.fixture
def stand_in(tmp_path: Path) -> Mapping[str, str]:
    """Variables of a shell that finds programs which print their words."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("samestep", "docker"):
        (programs / name).write_text(PRINTS)
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}


def pasted(command: str, environ: Mapping[str, str], folder: Path = Path("/")) -> str:
    """What a command prints in a shell; it must be one line that any terminal takes."""
    assert command.isprintable()
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=True, errors="replace"
    )
    return done.stdout


def test_resuming_finds_the_run(folder: Path, stand_in: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "program", lambda environ: ("samestep",))
    monkeypatch.chdir(folder.parent)
    run = Path(folder.name) / "run 1"  # as with --results, seen from where samestep was started
    again = LocalLauncher("venv", OneInterpreter(Path(sys.executable))).again(run)
    assert pasted(again, stand_in) == f"{[b'run', b'--resume', os.fsencode(folder / 'run 1')]}\n"


def test_the_damaged_line_is_deleted(folder: Path) -> None:
    records = folder / RECORDS_FILE
    records.write_text("damaged\nother\n")
    with pytest.raises(StoreError) as raised:
        RunFolder(folder).records()
    command = str(raised.value).partition("Delete the line (")[2].rpartition("); --resume")[0]
    pasted(command, os.environ)
    assert records.read_text() == "other\n"


def test_code_that_a_container_cannot_read_is_opened(folder: Path) -> None:
    closed = folder / "x.py"
    closed.write_text("")
    closed.chmod(0o600)
    folder.chmod(0o755)
    with pytest.raises(SetupError) as raised:
        check_readable(folder)
    pasted(str(raised.value).partition("container: ")[2], os.environ)
    check_readable(folder)


def test_the_users_interpreter_gets_its_packages(folder: Path) -> None:
    python = folder / "python"
    python.write_text('#!/bin/sh\n[ "$2" = -c ] && { echo numpy; echo "$0"; } || echo "$@"\n')
    python.chmod(0o755)
    with pytest.raises(SetupError) as raised:
        OneInterpreter(python).make([], lambda line: None)
    command = str(raised.value).partition("every replicate needs: ")[2]
    assert pasted(command, os.environ) == "-m pip install numpy\n"


def test_a_damaged_environment_is_removed(folder: Path) -> None:
    lock = folder / "images" / "locks" / "torch.cpu-py311.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("torch==1\n")
    made = Environments(folder, "cpu")
    environment = made.folder("torch")
    environment.mkdir(parents=True)
    (environment / "samestep-complete").write_text("1")
    command = made.damage("torch").partition("makes it again, or ")[2].removesuffix(" before")
    pasted(command, os.environ)
    assert not environment.exists()


def test_the_next_profile_has_the_same_selection(stand_in: Mapping[str, str]) -> None:
    facts = run_facts(profile="look", launcher="here", interpreter="/a b/it's/$x")
    assert pasted(next_command(facts), stand_in) == (
        f"{[b'run', b'--profile', b'quick', b'--launcher', b'here', b'--python', b'/a b/it' + bytes([39]) + b's/$x']}\n"
    )


def test_the_program_is_called_by_its_path_where_path_lacks_it() -> None:
    own = Path(sys.executable).with_name("samestep")
    expected = (str(own),) if own.is_file() else (sys.executable, "-m", "harness")
    assert shell.program({"PATH": "/nowhere"}) == expected
    if own.is_file():
        assert shell.program({"PATH": str(own.parent)}) == ("samestep",)


COMPOSED = {
    "SAMESTEP_DEVICE": "cpu",
    "SAMESTEP_HOST_RESULTS": "/my runs",
    "SAMESTEP_CPUS": "1",
    "SAMESTEP_MEMORY": "16g",
}


def test_in_compose_the_command_is_the_hosts(monkeypatch: pytest.MonkeyPatch, stand_in: Mapping[str, str]) -> None:
    for name, value in COMPOSED.items():
        monkeypatch.setenv(name, value)
    assert WorkersLauncher().again(shell.RESULTS / "a run") == (
        "SAMESTEP_RESUME='a run' SAMESTEP_RESULTS='/my runs' docker compose --env-file images/cpu.env up"
    )
    assert "`docker compose --env-file images/cpu.env logs torch` says why" in absence("torch")
    assert shell.samestep("report", shell.path(shell.RESULTS / "x")) == (
        "docker compose --env-file images/cpu.env run --rm harness report '/my runs/x'"
    )
    monkeypatch.setenv("SAMESTEP_DEVICE", "cuda")
    assert (
        WorkersLauncher()
        .again(Path("/samestep/results/r"))
        .startswith("SAMESTEP_RESUME=r SAMESTEP_CPUS=1 SAMESTEP_RESULTS='/my runs' docker compose up")
    )


def test_a_page_names_the_run_by_its_id() -> None:
    assert resume_command(run_facts(id="a run", launcher="venv")) == "samestep run --resume 'a run'"
    assert resume_command(run_facts(id="r", launcher="workers", device="cpu")) == (
        "SAMESTEP_RESUME=r SAMESTEP_FRAMEWORK=torch docker compose --env-file images/cpu.env up"
    )


def test_a_run_is_resumed_with_the_workers_of_its_frameworks_alone(tmp_path: Path) -> None:
    offers = tuple(offer for offer in catalogue().frameworks if offer.name in ("torch", "jax"))
    of_page = resume_command(run_facts(id="r", launcher="workers", device="cpu", frameworks=offers))
    launcher = WorkersLauncher(tmp_path / "harness.sock", patience=Patience(worker=0))
    launcher.prepare(["torch", "jax"], lambda line: None)
    launcher.close()
    for command in (of_page, launcher.again(Path("r"))):
        assert command.startswith("SAMESTEP_RESUME=r SAMESTEP_FRAMEWORK=jax,torch ")
