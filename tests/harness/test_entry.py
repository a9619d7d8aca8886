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


def test_the_callers_variables_and_packages_do_not_reach_it(command: Path, tmp_path: Path) -> None:
    """A module system's PYTHONPATH, and switches that strip docstrings or swallow the exit code."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("numpy", "typer", "rich"):
        (packages / f"{name}.py").write_text("raise ImportError('built for another Python')\n")
    switches = {"PYTHONOPTIMIZE": "2", "PYTHONINSPECT": "1", "PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"}

    clean, hostile = ran(command), ran(command, **switches, PYTHONPATH=str(packages))

    assert "numpy" in clean.stdout
    assert (hostile.returncode, hostile.stdout, hostile.stderr) == (0, clean.stdout, clean.stderr)


def test_without_docstrings_the_catalogue_is_the_same(command: Path) -> None:
    whole, stripped = ran(command), ran(command, "-OO")
    assert whole.returncode == 0
    assert (stripped.returncode, stripped.stdout) == (0, whole.stdout)
