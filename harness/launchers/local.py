"""Turns as fresh processes of this host: from samestep's own environments (`venv`), or in one interpreter (`here`)."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import psutil

from bench.catalogue import COLD, framework_offer, programs_missing
from bench.frameworks import FRAMEWORKS
from bench.turns import owner, variables
from bench.turns.kept import Kept, can_stop
from bench.turns.supervise import adopt_orphans, end_strays, supervise
from bench.turns.turn import Outcome, Turn
from harness.errors import SetupError
from harness.launchers import scratch
from harness.launchers.base import Member, OnStart, Say
from harness.launchers.emptied import empty
from harness.launchers.interpreter import Interpreter, look
from harness.terminal import shell

PREFIX: Final = "samestep-turn-"  # of the folder of a turn; the name of its maker follows
KILL_S: Final = 5.0  # for killed processes to end


class Interpreters(Protocol):
    """The Python interpreter of each framework: `harness.environments.venvs.Environments`, `OneInterpreter`."""

    def make(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the missing environments; return, by framework, why it has no interpreter."""
        ...

    def python(self, framework: str) -> Path | None:
        """Return the interpreter of `framework`; None: it has none."""
        ...

    def damage(self, framework: str) -> str:
        """Return what is damaged in its environment, with the remedy; empty: it is whole, or that is unknown."""
        ...

    def inventory(self, framework: str) -> str:
        """Return the SHA-256 over what is installed in its environment; empty: that is unknown."""
        ...


class LocalLauncher:
    """Runs each turn in a fresh process of its framework's interpreter."""

    in_container = False

    def __init__(
        self,
        name: str,
        interpreters: Interpreters,
        *,
        code: Path | None = None,
        named: Sequence[str] = (),
        keeps_kernels: bool = False,
    ) -> None:
        """Be called `name`, "venv" or "here"; run frameworks in `interpreters`.

        `code`: folder that holds the bench/ to run; None: the one of this process. `named`: "NAME=value" of each
        variable that the user named. `keeps_kernels`: what CUDA's driver compiles is kept during the run.
        """
        self.name = name
        self._keeps_kernels = keeps_kernels
        self._kernels: Path | None = None
        self._interpreters = interpreters
        self._code = code
        self._named = tuple(named)
        self._found: dict[str, Interpreter] = {}  # by framework with its variant, as the run began
        self._ready_unix_ns = 0
        self._alive: set[int] = set()  # first processes of the members of a group
        self._scratch = scratch.temporary()

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Make the missing environments; return, by framework, why it has none, or which program it lacks here."""
        self._scratch = scratch.choose(say)
        remove_left_behind()
        lacking = _without_programs(frameworks)
        able = [name for name in frameworks if name not in lacking]
        unprepared = {**self._interpreters.make(able, say), **lacking}
        looked: dict[Path, Interpreter] = {}
        for framework in frameworks:
            python = None if framework in unprepared else self._interpreters.python(framework)
            if python is None:
                continue
            try:
                self._found[framework] = looked.setdefault(python, look(python, self._named))
            except SetupError as error:
                unprepared[framework] = str(error)
        adopt_orphans()
        self._ready_unix_ns = time.time_ns()
        return unprepared

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Run `turn` in a folder of its own, which is removed afterwards.

        Raises:
            SetupError: the framework has no interpreter; `prepare` returns the reason.
        """
        found = self._interpreter(turn)
        if reason := _changed(turn, found):
            return _not_begun(reason)
        folder = self._folder()
        if turn.cell.track == COLD:
            empty(found.libraries)
        try:
            turn = self._prepared(turn)
            return supervise(turn, folder, python=str(found.path), on_start=lambda pid: on_start(pid, folder))
        finally:
            end_strays(self._alive)
            shutil.rmtree(folder, ignore_errors=True)

    def why_not_alternate(self) -> str:
        """Return why a process of this host cannot be stopped and continued; empty: it can."""
        return "" if can_stop() else "processes cannot be stopped here (SIGSTOP)"

    def member(self, turn: Turn) -> Member:
        """Return `turn` as a member of a group, in a folder of its own.

        Raises:
            SetupError: as `take`.
        """
        found = self._interpreter(turn)
        if reason := _changed(turn, found):
            return _Absent(reason)
        return Kept(self._prepared(turn), self._folder(), self._alive, str(found.path))

    def damage(self, framework: str) -> str:
        """Return what is damaged in the environment of a framework."""
        return self._interpreters.damage(framework)

    def inventory(self, framework: str) -> str:
        """Return the SHA-256 over what is installed in the environment of a framework."""
        return self._interpreters.inventory(framework)

    def again(self, run: Path) -> str:
        """Return the command that resumes."""
        return shell.samestep("run", "--resume", shell.path(run))

    def close(self) -> None:
        """Remove what CUDA's driver compiled; safe to call twice."""
        if self._kernels is not None:
            shutil.rmtree(self._kernels, ignore_errors=True)
            self._kernels = None

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner.name()}-", dir=self._scratch))

    def _prepared(self, turn: Turn) -> Turn:
        code = str(self._code) if self._code else ""
        kernels = self._kernels_folder() if turn.cell.device == "cuda" and self._keeps_kernels else ""
        return dataclasses.replace(turn, code=code, kernels=kernels, unchanged_since_unix_ns=self._ready_unix_ns)

    def _kernels_folder(self) -> str:
        if self._kernels is None:
            self._kernels = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner.name()}-kernels-", dir=self._scratch))
        return str(self._kernels)

    def _interpreter(self, turn: Turn) -> Interpreter:
        try:
            return self._found[turn.cell.framework_id]
        except KeyError as error:
            raise SetupError(f"{turn.cell.framework_id} has no environment; call prepare() first.") from error


class _Absent:
    """A member of a group whose process is not started."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def start(self, on_start: OnStart) -> Outcome:
        """Return why it is not."""
        return _not_begun(self._reason)

    def run_slice(self) -> Outcome:
        """As `start`."""
        return _not_begun(self._reason)

    def finish(self) -> Outcome:
        """As `start`."""
        return _not_begun(self._reason)

    def kill(self) -> None:
        """Do nothing."""


def _changed(turn: Turn, interpreter: Interpreter) -> str:
    """Return why a turn is not begun in an environment that is no longer the one of the run; empty: it is."""
    what = interpreter.changed()
    return what and (
        f"the packages of {turn.cell.framework_id} changed under the run ({what} in {interpreter.libraries[0]}):"
        " what follows would be another program; start a new run"
    )


def _not_begun(reason: str) -> Outcome:
    return Outcome(started_unix_ns=time.time_ns(), wall_ns=0, exit_code=None, tail=(reason,))


def _without_programs(frameworks: Sequence[str]) -> dict[str, str]:
    """Return, by framework, which program all its modes lack on this host."""
    files = {name: name.partition("@")[0] for name in frameworks}  # a variant has the file of its framework
    offers = {name: framework_offer(file) for name, file in files.items() if file in FRAMEWORKS}
    missing = {name: programs_missing(offer) for name, offer in offers.items() if not offer.program_modes}
    return {name: sentence for name, sentence in missing.items() if sentence}


def remove_left_behind() -> None:
    """End the processes and remove the folders of turns whose samestep was killed.

    Such a process ends by itself, but one that is still starting Python may live for seconds, beside the next run. The
    folders may hold compile caches of a gigabyte.
    """
    parents = dict.fromkeys((scratch.temporary(), *scratch.OTHERS))
    left = [folder for parent in parents for folder in parent.glob(f"{PREFIX}*") if not _has_owner(folder)]
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
    return owner.is_alive(folder.name.removeprefix(PREFIX)) is not False


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
        probe = (
            "import importlib.util as u, os, sys; "
            f"print(*[n for n in {self.NEEDED!r} if not u.find_spec(n)], flush=True); "
            "sys.stdout.buffer.write(os.fsencode(sys.executable))"
        )
        try:  # without the caller's packages, as a replicate is
            ended = subprocess.run(
                [self._python, "-s", "-c", probe],
                env=variables.of_tools(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=60,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupError(f"{self._python} does not run as a Python interpreter: {error}.") from error
        absent, _, real = os.fsdecode(ended.stdout).partition("\n")
        missing = absent.split()
        if missing:
            packages = [name.replace("_", "-") for name in missing]
            remedy = shell.command(shell.path(self._python), "-m", "pip", "install", *packages)
            raise SetupError(f"{self._python} lacks {' '.join(packages)}, which every replicate needs: {remedy}")
        self._python = Path(real) if real else self._python  # a shim would choose another one in a replicate
        say(f"Frameworks run in {self._python}")
        return {}

    def python(self, framework: str) -> Path | None:
        """Return the one interpreter."""
        return self._python

    def damage(self, framework: str) -> str:
        """Return "": what belongs into the user's environment is not known."""
        return ""

    def inventory(self, framework: str) -> str:
        """Return "": what the user's environment holds for a framework, and what for others, is not known."""
        return ""
