"""The installed command, as an installer writes it, with variables of the caller's that would break it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.environments.checkout import ROOT

SCRIPT = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from harness.entry import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command, which finds this checkout as after an editable install."""
    path = tmp_path / "samestep"
    path.write_text(SCRIPT)
    return path


def ran(command: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *options, command, "list"],
        cwd=command.parent,
        env={**inherited, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONINSPECT": "1"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONTRACEMALLOC": "25", "PYTHONDEVMODE": "1"},
    ],
)
def test_the_callers_interpreter_switches_do_not_reach_it(command: Path, variables: dict[str, str]) -> None:
    clean, hostile = ran(command), ran(command, **variables)
    assert "Plain NumPy" in clean.stdout or "numpy" in clean.stdout
    assert (hostile.returncode, hostile.stdout, hostile.stderr) == (0, clean.stdout, clean.stderr)


def test_packages_of_another_python_on_pythonpath_do_not_reach_it(command: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("numpy", "typer", "rich"):
        (hostile / f"{name}.py").write_text("raise ImportError('built for another Python')\n")
    ended = ran(command, PYTHONPATH=str(hostile))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_docstrings_the_catalogue_is_the_same(command: Path) -> None:
    whole, stripped = ran(command), ran(command, "-OO")
    assert whole.returncode == 0
    assert (stripped.returncode, stripped.stdout) == (0, whole.stdout)
