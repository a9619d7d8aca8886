"""A room of its own for short real runs of NumPy: their folders, their processes, and what must be true afterwards."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

import psutil

from harness.environments.checkout import ROOT
from harness.errors import StoreError
from harness.store.folder import RunFolder
from harness.store.replicates import LAUNCH
from tests.faults import rules
from tests.faults.outcome import LOST, OTHER, TRACEBACK, TWICE, Ended, Wrong, crash_in

RUN: Final = (
    *("run", "--launcher", "here", "--profile", "quick", "--measure", "time", "--blocks", "1", "--seed", "7"),
    *("--framework", "numpy", "--mode", "eager"),
)
TWO: Final = ("--optimizer", "adam,sgd")  # two cells instead of one
LONGEST_S: Final = 120.0  # that a short run may take, on a machine that does something else as well
GONE_S: Final = 5.0  # for all processes of a run that has ended to be gone
OURS: Final = (
    "SAMESTEP_",
    "GIT_",
    "PYTEST_",
    "COVERAGE_",
    "PYTHON",
)  # variables of the campaign's own shell that no case has

Environ = Mapping[str, str | bytes | None]


class NotHereError(Exception):
    """The fault cannot be planted on this machine; the message says why."""


_interrupted = threading.Event()
_alive: set["Room"] = set()


def interrupt() -> None:
    """End all that runs in any room, and start nothing any more: Ctrl-C."""
    _interrupted.set()
    for room in list(_alive):
        room.kill()


class Room:
    """A folder with `results/` and `tmp/`, and all processes that were started in it."""

    def __init__(self, folder: Path | None, root: Path = ROOT) -> None:
        """Make it under `folder`; run the samestep of the checkout `root`."""
        self.scratch = Path(tempfile.mkdtemp(prefix="room-", dir=folder))
        self.scratch.chmod(0o755)  # some cases run as another user
        self.results = self.scratch / "results"
        self.tmp = self.scratch / "tmp"
        self.tmp.mkdir()
        self.root = root
        self._started: list[subprocess.Popen[bytes]] = []
        self._undo: list[Callable[[], object]] = []
        self._commands: dict[int, tuple[str, ...]] = {}

    def __enter__(self) -> Self:
        _alive.add(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _alive.discard(self)
        self.kill()
        for process in self.running():
            with contextlib.suppress(psutil.Error):
                process.kill()
        for undo in reversed(self._undo):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                undo()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def kill(self) -> None:
        """Kill all that was started."""
        for process in self._started:
            if process.poll() is None:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def afterwards(self, undo: Callable[[], object]) -> None:
        """Call `undo` when the room is left."""
        self._undo.append(undo)

    def start(
        self,
        *command: str | Path,
        environ: Environ | None = None,
        wrap: Sequence[str] = (),
        cwd: Path | None = None,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        before: Callable[[], object] | None = None,
        empty: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start samestep.

        Args:
            command: without the program.
            environ: variables that are set, or (None) left out, beside the usual ones.
            wrap: a program and its arguments that starts it.
            cwd: where; None: in the room.
            stdin: its standard input.
            stdout: its standard output; None: a file that `end` reads.
            stderr: the same for standard error.
            before: called in the new process before samestep begins.
            empty: without the usual variables.
        """
        if _interrupted.is_set():
            raise NotHereError("interrupted")
        number = len(self._started)
        files = [self.scratch / f"{name}-{number}" for name in ("out", "err")]
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(path.open("wb")) for path in files]
            process = subprocess.Popen(
                [*wrap, sys.executable, str(self._program()), *map(str, command)],
                cwd=cwd or self.scratch,
                env=self.variables(environ or {}, empty=empty),
                stdin=stdin,
                stdout=opened[0] if stdout is None else stdout,
                stderr=opened[1] if stderr is None else stderr,
                preexec_fn=lambda: _as_from_a_shell(before),
                start_new_session=True,
            )
        self._started.append(process)
        self._commands[process.pid] = tuple(map(str, command))
        return process

    def _program(self) -> Path:
        """Write the command that an installation makes of `project.scripts`, for the checkout of this room."""
        scripts = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
        module, _, function = scripts["samestep"].partition(":")
        path = self.scratch / "bin" / "samestep"
        path.parent.mkdir(exist_ok=True)
        lines = ("import sys", f"sys.path[0] = {str(self.root)!r}", f"from {module} import {function}")
        path.write_text("\n".join([*lines, f"sys.exit({function}())", ""]), encoding="utf-8")
        return path

    def variables(self, environ: Environ, *, empty: bool = False) -> dict[Any, Any]:
        """Return the variables of a process of this room."""
        usual = {} if empty else {name: v for name, v in os.environ.items() if not name.startswith(OURS)}
        ours: dict[str, str | bytes | None] = {"TMPDIR": str(self.tmp), "COLUMNS": "120"}
        return {name: value for name, value in {**usual, **ours, **environ}.items() if value is not None}

    def end(self, process: subprocess.Popen[bytes], seconds: float = LONGEST_S) -> Ended:
        """Wait for a process; return how it ended. One that takes longer is killed."""
        number = self._started.index(process)
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(seconds)
        if code is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out, err = ((self.scratch / f"{name}-{number}").read_bytes() for name in ("out", "err"))
        crash = crash_in((out + b"\n" + err).decode(errors="replace"))
        return Ended(command=self._commands[process.pid], code=code, out=out, err=err, crash=crash)

    def samestep(self, *command: str | Path, seconds: float = LONGEST_S, **how: Any) -> Ended:
        """Run samestep to its end; `how` as in `start`."""
        return self.end(self.start(*command, **how), seconds)

    def run(self, *options: str | Path, **how: Any) -> Ended:
        """Make a short run of NumPy to its end; `how` as in `start`."""
        return self.samestep(*RUN, "--results", self.results, *options, **how)

    def start_run(self, *options: str | Path, **how: Any) -> subprocess.Popen[bytes]:
        """Start a short run of NumPy."""
        return self.start(*RUN, "--results", self.results, *options, **how)

    def resume(self, *options: str | Path, **how: Any) -> Ended:
        """Go on with the latest run to its end."""
        return self.samestep("run", "--resume", "latest", "--results", self.results, *options, **how)

    def stopped(self) -> bytes:
        """Make a run of two cells of which half of the replicates are still to be measured; return its records."""
        ended = self.run(*TWO)
        path = self.folder().records_path if self.folders() else None
        if path is None or not path.exists():
            raise NotHereError(f"no run could be made: {ended.err[-200:]!r}")
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: max(1, len(lines) // 2)]))
        return path.read_bytes()

    def folders(self) -> list[RunFolder]:
        """Return the runs in the room, by name."""
        found = sorted(self.results.glob("*/run.json"))
        return [RunFolder(path.parent) for path in found if not path.parent.name.startswith(".")]

    def folder(self) -> RunFolder:
        """Return the only run."""
        (folder,) = self.folders()
        return folder

    def running(self) -> list[psutil.Process]:
        """Return the processes of replicates whose folder is in this room, running or stopped."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                in_room = any(str(self.scratch) in part for part in process.cmdline())
                if in_room and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def nothing_left(self) -> Iterator[Wrong]:
        """Yield what still runs although all commands have ended."""
        deadline = time.monotonic() + GONE_S
        while (left := self.running()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            yield Wrong(of=OTHER, what="left something running")

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = LONGEST_S) -> None:
        """Wait until `condition` is true; raises NotHereError."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise NotHereError(f"{what} did not happen within {seconds:.0f} s")
            time.sleep(0.02)

    def wait_for_records(self, count: int) -> None:
        """Wait until the run has so many records."""
        self.wait_for(lambda: sum(map(lines_of, self.results.glob("*/records.jsonl"))) >= count, f"record {count}")


def lines_of(path: Path) -> int:
    """Return the number of whole lines of a file."""
    with contextlib.suppress(OSError):
        return path.read_bytes().count(b"\n")
    return 0


def stands(ended: Ended) -> Iterator[Wrong]:
    """Yield what was wrong with a command that may refuse: no sentence, a traceback, another exit code."""
    yield from rules.judged(ended)


def works(ended: Ended) -> Iterator[Wrong]:
    """Yield what was wrong with a command that had to do its work."""
    wrong = tuple(rules.judged(ended))
    yield from wrong
    if ended.code != 0 and not wrong:
        said = (ended.err or ended.out).decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        yield Wrong(of=OTHER, what=f"{ended.command[0]} ended with {ended.code}: {said[0][:200]}")


def refuses(ended: Ended, *words: str) -> Iterator[Wrong]:
    """Yield what was wrong with a command that had to refuse with a sentence that has one of `words`."""
    wrong = tuple(rules.judged(ended))
    yield from wrong
    said = ended.err.decode(errors="replace").lower()
    if not wrong and (ended.code == 0 or (words and not any(word.lower() in said for word in words))):
        yield Wrong(
            of=OTHER, what=f"{ended.command[0]} ended with {ended.code}, no word of {' or '.join(words) or 'why'}"
        )


def _as_from_a_shell(before: Callable[[], object] | None) -> None:
    """Let signals do what they usually do, also where `nohup` or a background job started the campaign."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if before:
        before()


def whole(folder: RunFolder, *, before: bytes = b"") -> Iterator[Wrong]:
    """Yield what is lost, damaged or measured twice in a run that has ended.

    Args:
        folder: the run.
        before: records.jsonl at an earlier moment: the present one has to begin with its whole lines.
    """
    data = folder.records_path.read_bytes() if folder.records_path.exists() else b""
    kept = before[: before.rfind(b"\n") + 1]
    if not data.startswith(kept):
        yield Wrong(of=LOST, what="records.jsonl no longer begins with the records that were kept")
    try:
        records = [json.loads(line) for line in data.splitlines()]
        ran = [each for each in records if (each["failure"] or {}).get("phase") != LAUNCH]  # others are taken again
        counts = Counter((json.dumps(each["cell"], sort_keys=True), each["block"], each["attempt"]) for each in ran)
        planned = [(planned.cell, planned.block) for planned in folder.plan().in_order()]
        known = {(record.cell, record.block) for record in folder.records()}
    except (ValueError, KeyError, TypeError, StoreError) as error:
        yield Wrong(of=LOST, what=f"a record is damaged: {str(error)[:200]}")
        return
    except Exception as error:  # noqa: BLE001 -- the loader's own fault, which is told as such
        yield Wrong(of=TRACEBACK, what=f"reading the records: {type(error).__name__}: {str(error)[:200]}")
        return
    if twice := [key for key, count in counts.items() if count > 1]:
        yield Wrong(of=TWICE, what=f"{len(twice)} replicates have two records, such as {twice[0]}")
    if missing := [cell for cell, block in planned if (cell, block) not in known]:
        yield Wrong(of=LOST, what=f"{len(missing)} replicates of the plan have no record, such as {missing[0].id}")
