"""The harness of compose.yaml: the variables that stand for options of `samestep run`, as they are read."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from harness import cli
from harness.__main__ import HERE, variables, words
from harness.environments.checkout import ROOT
from harness.errors import SelectionError

COMPOSE = (ROOT / "compose.yaml").read_text()
PAGE = (ROOT / "docs" / "containers.md").read_text()
GPU = ROOT / "images" / "gpu.sh"


def test_every_option_of_run_has_a_variable_but_those_that_the_container_settles() -> None:
    command = typer.main.get_command(cli.app)
    options = {option.name for option in command.commands["run"].params}  # type: ignore[attr-defined]
    assert set(HERE) < options
    assert set(variables()) == {f"SAMESTEP_{name.upper()}" for name in options.difference(HERE)}


def test_compose_hands_every_one_of_them_to_the_harness() -> None:
    handed = set(re.findall(r"^      (SAMESTEP_\w+):", COMPOSE, re.MULTILINE))
    assert set(variables()) <= handed


def test_the_page_of_containers_names_every_variable() -> None:
    named: set[str] = set()
    for row in re.findall(r"^\| (`SAMESTEP_\w+`[^|]*) \|", PAGE, re.MULTILINE):
        named |= {f"SAMESTEP{name[name.startswith('SAMESTEP') * 8 :]}" for name in re.findall(r"`(\w+)`", row)}
    used = set(re.findall(r"\$\{(SAMESTEP_\w+)", COMPOSE + (ROOT / "images" / "device.yaml").read_text()))
    assert named == used | set(variables()) | {"SAMESTEP_COMMIT"}


def test_variables_become_the_options_that_would_be_typed() -> None:
    environ = {
        "SAMESTEP_DEVICE": "cuda",
        "SAMESTEP_PROFILE": "look",
        "SAMESTEP_FRAMEWORK": "torch, jax",
        "SAMESTEP_MODE": "",
        "SAMESTEP_BLOCKS": "4",
        "SAMESTEP_TIMEOUT": "90",
        "SAMESTEP_HOST_GPU": "0",
    }
    assert sorted(words(environ)[2:]) == [
        "--blocks=4",
        "--device=cuda",
        "--framework=torch, jax",
        "--profile=look",
        "--timeout=90",
    ]
    assert words(environ)[:2] == ["run", "--launcher=workers"]


@pytest.mark.parametrize(
    ("value", "option"), [("1", "--{}"), ("YES", "--{}"), ("true", "--{}"), ("0", "--no-{}"), ("off", "--no-{}")]
)
@pytest.mark.parametrize("name", ["alternate", "allow_shared_gpu"])
def test_a_switch_is_1_or_0(name: str, value: str, option: str) -> None:
    assert words({f"SAMESTEP_{name.upper()}": value})[2:] == [option.format(name.replace("_", "-"))]
    assert words({f"SAMESTEP_{name.upper()}": ""})[2:] == []


def test_variables_of_the_replicates_are_quoted_as_in_a_shell() -> None:
    named = "XLA_FLAGS='--a --b' TF_X=\"it's\""
    assert words({"SAMESTEP_ENV": named})[2:] == ["--env=XLA_FLAGS=--a --b", "--env=TF_X=it's"]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SAMESTEP_ALLOW_SHARED_GPU", "maybe", "SAMESTEP_ALLOW_SHARED_GPU is 'maybe': write 1 or 0."),
        ("SAMESTEP_ENV", "A='1", "SAMESTEP_ENV is"),
    ],
)
def test_a_value_that_cannot_be_read_is_one_sentence(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SelectionError, match=re.escape(sentence)):
        words({variable: value})


def test_a_run_that_is_resumed_keeps_what_was_chosen_when_it_began() -> None:
    environ = {
        "SAMESTEP_RESUME": "latest",
        "SAMESTEP_FRAMEWORK": "torch",
        "SAMESTEP_PROFILE": "look",
        "SAMESTEP_CPUS": "1-3",
        "SAMESTEP_BLOCKS": "4",
        "SAMESTEP_ALLOW_SHARED_GPU": "1",
    }
    command = words(environ)
    assert command[0] == "run"
    assert sorted(command[1:]) == ["--allow-shared-gpu", "--blocks=4", "--resume=latest"]


def started(tmp_path: Path, **given: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SAMESTEP_")}
    return subprocess.run(
        [sys.executable, "-m", "harness"],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(ROOT), "SAMESTEP_HOST_RESULTS": "./results", **given},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"SAMESTEP_FRAMEWORK": "pytorch"}, "There is no framework 'pytorch'. Did you mean"),
        ({"SAMESTEP_FRAMEWORK": "torch,jxa"}, "There is no framework 'jxa'. Did you mean"),
        ({"SAMESTEP_ALTERNATE": "2"}, "SAMESTEP_ALTERNATE is '2'"),
    ],
)
def test_what_compose_could_not_start_is_said_by_the_harness(
    tmp_path: Path, given: dict[str, str], sentence: str
) -> None:
    done = started(tmp_path, **given)
    assert done.returncode == 1
    assert done.stderr.startswith(f"samestep: {sentence}")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What a container sees of a GPU host with everything, as far as images/gpu.sh looks."""
    for folder in ("proc/sys/kernel", "proc/driver/nvidia", "host/usr/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.1.0-18-amd64\n")
    (tmp_path / "proc/driver/nvidia/version").touch()
    (tmp_path / "host/usr/bin/nvidia-container-runtime-hook").touch()
    return tmp_path


def lacks(host: Path) -> str:
    return subprocess.run(["sh", GPU, host], capture_output=True, text=True, check=True).stderr


def test_a_gpu_host_with_everything_is_told_nothing(host: Path) -> None:
    assert lacks(host) == ""


def test_a_host_without_a_gpu_is_told_so_in_one_sentence(host: Path) -> None:
    (host / "proc/driver/nvidia/version").unlink()
    said = lacks(host)
    assert said.startswith("samestep: This host has no NVIDIA GPU with a loaded driver: ")
    assert "docker compose --env-file images/cpu.env up" in said
    assert said.count("\n") == 1
    (host / "proc/sys/kernel/osrelease").write_text("5.15.153.1-microsoft-standard-WSL2\n")
    assert lacks(host) == ""  # whose driver leaves no trace


def test_an_engine_without_the_container_toolkit_is_told_so_in_one_sentence(host: Path) -> None:
    (host / "host/usr/bin/nvidia-container-runtime-hook").unlink()
    said = lacks(host)
    assert said.startswith("samestep: The Docker engine cannot hand out NVIDIA GPUs: install the NVIDIA Container")
    assert said.count("\n") == 1
    (host / "host/usr/bin/nvidia-ctk").touch()
    assert lacks(host) == ""
