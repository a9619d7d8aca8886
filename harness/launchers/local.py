"""Turns as fresh processes of this host: from samestep's own environments (`venv`), or in one interpreter (`here`)."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import psutil

from bench.catalogue import framework_offer, programs_missing
from bench.frameworks import FRAMEWORKS
from bench.turns.kept import Kept, can_stop
from bench.turns.supervise import adopt_orphans, end_strays, supervise
from bench.turns.turn import Outcome, Turn
from harness.errors import SetupError
from harness.launchers.base import OnStart, Say

PREFIX: Final = "samestep-turn-"  # of the folder of a turn; the PID of the harness follows
KILL_S: Final = 5.0  # for killed processes to end


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
        self._alive: set[int] = set()  # first processes of the members of a group

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the missing environments; return, by framework, why it has none, or which program it lacks here."""
        remove_left_behind()
        lacking = _without_programs(frameworks)
        unprepared = self._interpreters.make([name for name in frameworks if name not in lacking], say)
        adopt_orphans()
        return {**unprepared, **lacking}

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Run `turn` in a folder of its own, which is removed afterwards.

        Raises:
            SetupError: the framework has no interpreter; `prepare` returns the reason.
        """
        python = self._python(turn)
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        try:
            return supervise(turn, folder, python=python, on_start=lambda pid: on_start(pid, folder))
        finally:
            end_strays(self._alive)
            shutil.rmtree(folder, ignore_errors=True)

    def why_not_alternate(self) -> str:
        """Return why a process of this host cannot be stopped and continued; empty: it can."""
        return "" if can_stop() else "processes cannot be stopped here (SIGSTOP)"

    def member(self, turn: Turn) -> Kept:
        """Return `turn` as a member of a group, in a folder of its own.

        Raises:
            SetupError: as `take`.
        """
        python = self._python(turn)
        return Kept(turn, Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")), self._alive, python)

    def again(self, run: Path) -> str:
        """Return the command that resumes."""
        return f"samestep run --resume {run}"

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def _python(self, turn: Turn) -> str:
        python = self._interpreters.python(turn.cell.framework)
        if python is None:
            raise SetupError(f"{turn.cell.framework} has no environment; call prepare() first.")
        return str(python)


def _without_programs(frameworks: Sequence[str]) -> dict[str, str]:
    """Return, by framework, which program all its modes lack on this host."""
    offers = {name: framework_offer(name) for name in frameworks if name in FRAMEWORKS}
    missing = {name: programs_missing(offer) for name, offer in offers.items() if not offer.program_modes}
    return {name: sentence for name, sentence in missing.items() if sentence}


def remove_left_behind() -> None:
    """End the processes and remove the folders of turns whose samestep was killed.

    Such a process ends by itself, but one that is still starting Python may live for seconds, beside the next run. The
    folders may hold compile caches of a gigabyte.
    """
    left = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if not _has_owner(folder)]
    end_processes_in(left)
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)


def end_processes_in(folders: Sequence[Path]) -> None:
    """Kill the processes whose temporary folder lies in one of `folders`, and wait until they are gone."""
    if not folders:
        return
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(Path(process.environ().get("TMPDIR", "/")).is_relative_to(folder) for folder in folders):
                process.kill()
                found.append(process)
    psutil.wait_procs(found, timeout=KILL_S)


def _has_owner(folder: Path) -> bool:
    """Return whether the samestep that made the folder of a turn still runs."""
    pid = folder.name.removeprefix(PREFIX).partition("-")[0]
    return not pid.isdigit() or psutil.pid_exists(int(pid))


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
