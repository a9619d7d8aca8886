"""Turns as fresh processes of this host: from samestep's own environments (`venv`), or in one interpreter (`here`)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import psutil

from bench.turns.supervise import adopt_orphans, end_strays, supervise
from bench.turns.turn import Outcome, Turn
from harness.errors import SetupError
from harness.launchers.base import OnStart, Say

PREFIX: Final = "samestep-turn-"  # of the folder of a turn; the PID of the harness follows


class Interpreters(Protocol):
    """The Python interpreter of each framework: `harness.environments.venvs.Environments`, `OneInterpreter`."""

    def make(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the missing environments; return, by framework, why it has no interpreter."""
        ...

    def python(self, framework: str) -> Path | None:
        """Return the interpreter of `framework`; None: it has none."""
        ...


class LocalLauncher:
    """Runs each turn in a fresh process of its framework's interpreter."""

    in_container = False

    def __init__(self, name: str, interpreters: Interpreters) -> None:
        """Be called `name`, "venv" or "here"; run frameworks in `interpreters`."""
        self.name = name
        self._interpreters = interpreters

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the missing environments; return, by framework, why it has none."""
        remove_left_behind()
        unprepared = self._interpreters.make(frameworks, say)
        adopt_orphans()
        return unprepared

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Run `turn` in a folder of its own, which is removed afterwards.

        Raises:
            SetupError: the framework has no interpreter; `prepare` returns the reason.
        """
        python = self._interpreters.python(turn.cell.framework)
        if python is None:
            raise SetupError(f"{turn.cell.framework} has no environment; call prepare() first.")
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        try:
            return supervise(turn, folder, python=str(python), on_start=lambda pid: on_start(pid, folder))
        finally:
            end_strays()
            shutil.rmtree(folder, ignore_errors=True)

    def again(self, run: Path) -> str:
        """Return the command that resumes."""
        return f"samestep run --resume {run}"

    def close(self) -> None:
        """Do nothing: nothing is held."""


def remove_left_behind() -> None:
    """Remove the folders of turns whose samestep was killed: they may hold compile caches of a gigabyte."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


class OneInterpreter:
    """The same interpreter for every framework, for users who have an environment already."""

    NEEDED = ("numpy", "pytest", "pytest_benchmark")

    def __init__(self, python: Path) -> None:
        self._python = python

    def make(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Check that the packages of bench/ are there; a missing framework fails later, when it is imported.

        Raises:
            SetupError: the interpreter does not run, or a package is missing.
        """
        probe = f"import importlib.util as u; print(*[n for n in {self.NEEDED!r} if not u.find_spec(n)])"
        try:
            ended = subprocess.run([self._python, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupError(f"{self._python} does not run as a Python interpreter: {error}.") from error
        missing = ended.stdout.split()
        if missing:
            packages = " ".join(name.replace("_", "-") for name in missing)
            raise SetupError(
                f"{self._python} lacks {packages}, which every replicate needs:"
                f" {self._python} -m pip install {packages}"
            )
        say(f"Frameworks run in {self._python}")
        return {}

    def python(self, framework: str) -> Path | None:
        """Return the one interpreter."""
        return self._python
