"""The words of `samestep fleet submit`: the options of `run` beside its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import cli
from harness.errors import OK, USAGE
from harness.fleet import actions, commands, simulation
from harness.fleet.request import OF_REQUEST, OF_SETTING


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path | None, Mapping[str, Any], bool]]:
    """What was to be submitted: the file, what was typed, whether it detaches."""
    taken: list[tuple[Path | None, Mapping[str, Any], bool]] = []

    def submit(file: Path | None, typed: Mapping[str, Any], *, detach: bool) -> int:
        taken.append((file, typed, detach))
        return OK

    monkeypatch.setattr(actions, "submit", submit)
    return taken


def typed(*words: str) -> int:
    return CliRunner().invoke(cli.app, ["fleet", "submit", *words]).exit_code


def test_every_option_of_run_is_one_of_submit_and_of_the_file() -> None:
    assert set(commands.options(cli.run)) == {*OF_REQUEST, *OF_SETTING}


def test_only_what_is_typed_is_handed_on(submitted: list[Any], tmp_path: Path) -> None:
    assert typed("run.toml") == OK
    assert submitted.pop() == (Path("run.toml"), {}, False)


def test_options_become_data_as_the_file_has_them(
    submitted: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "--shared here --time-limit 5 --no-requeue --detach --framework torch,jax --blocks 4 --timeout 30 --data d"
    switches = ["--no-alternate", "--allow-shared-gpu", "--env", "A=1", "--env", "B=two words", "--seed", "0"]
    assert typed(*words.split(), *switches, "--hosts", "h200 gres=gpu:h200:1 tasks=2", "--hosts", "l4") == OK
    assert submitted.pop() == (
        None,
        {
            "shared": "here",
            "hosts": [{"name": "h200", "gres": "gpu:h200:1", "tasks": 2}, {"name": "l4"}],
            "time_limit": 5,
            "requeue": False,
            "run": {
                "framework": "torch,jax",
                "blocks": 4,
                "timeout": 30.0,
                "data": str(tmp_path / "d"),
                "alternate": False,
                "allow_shared_gpu": True,
                "env": ["A=1", "B=two words"],
                "seed": 0,
            },
        },
        True,
    )


def test_an_option_that_a_fleet_cannot_have_is_none(submitted: list[Any]) -> None:
    for words in ("--results x", "--resume latest"):
        assert typed(*words.split()) == 2
    assert submitted == []


def test_a_simulation_prints_its_figures_and_ends_with_whether_it_meets_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fleet", "simulate", "--hosts", "5", "--cells", "130"]
    good = CliRunner().invoke(cli.app, command)
    lines = good.stdout.splitlines()
    # 13 workloads in 2 blocks: 10 modes and a control in each, a probe before each and after the last
    assert lines[0] == f"5 hosts, 130 cells, 13 tasks, of which all have a result, {13 * (2 * 11 + 3)} records"
    assert lines[-1] == "within the targets"
    assert good.exit_code == OK
    monkeypatch.setattr(simulation, "MOST_BYTES", 1)
    bad = CliRunner().invoke(cli.app, command)
    assert bad.stdout.splitlines()[-1] == "NOT within the targets"
    assert bad.exit_code == USAGE
