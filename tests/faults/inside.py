"""samestep's command line inside a forked process: fast enough for ten thousand faults, and it measures nothing."""

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from harness import cli
from harness.environments import checkout
from harness.launchers import choose
from harness.launchers.base import Launcher
from harness.report.charts import engine
from tests.faults.outcome import Ended, crash_in

LONGEST_S: Final = 20.0  # that one command may take
ASKING: Final = ("git", "nvidia-smi", "lscpu", "uname", "ldd", "ldconfig", "gcc", "cc", "c++", "g++", "file", "uv")
PRELOADED: Final = (  # what the commands import late
    "harness.commands", "harness.session", "harness.compare.conditions", "harness.compare.render", "harness.hello",
    "harness.doctor.adding", "harness.doctor.survey", "harness.report.exporters.csv", "harness.report.exporters.html",
    "harness.report.exporters.markdown", "harness.report.exporters.pytest_benchmark", "harness.report.charts.all",
    "harness.selftest.faults", "harness.launchers.local", "harness.launchers.workers", "pandas", "pyarrow.parquet",
    "scipy.special",
)  # fmt: skip
MEASURES: Final = ("bench", "harness", "pytest", "pip")  # `python -m` of these begins something


class Begun(BaseException):
    """The command would begin now: start a process, build an image, measure."""


class TooLongError(BaseException):
    """The command does not end."""


class Idle:
    """A launcher whose environments are never ready: a run ends where it would begin."""

    def __init__(self, real: Launcher) -> None:
        self._real = real

    def prepare(self, frameworks: Sequence[str], say: Any) -> NoReturn:
        """Begin: all checks of the run have passed."""
        raise Begun

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def preload() -> None:
    """Import what the commands import when they run, so that processes that are forked from this one have it."""
    for name in PRELOADED:
        importlib.import_module(name)


def guard(code: Path) -> None:
    """Make sure that nothing in this process begins a measurement, whatever command line it gets.

    `code` is a snapshot of the checkout, for all runs that would take one: it takes a second, and no fault is in it.
    """
    real, start = choose.launcher, subprocess.Popen.__init__

    def launcher(*arguments: Any, **named: Any) -> Any:
        return Idle(real(*arguments, **named))

    def begin(self: Any, args: Any, *rest: Any, **named: Any) -> None:
        command = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
        if not _only_asks([os.fsdecode(part) for part in command]):
            self.returncode, self._child_created = 0, False  # so that it can be deleted
            raise Begun
        start(self, args, *rest, **named)

    setattr(choose, "launcher", launcher)  # noqa: B010 -- for mypy it is a function, not a variable
    setattr(checkout, "snapshot", lambda: contextlib.nullcontext(code))  # noqa: B010
    setattr(subprocess.Popen, "__init__", begin)  # noqa: B010
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"
    os.environ["COLUMNS"] = "120"


def _only_asks(command: Sequence[str]) -> bool:
    """Return whether a command only looks at something."""
    if Path(command[0]).name in ASKING:
        return "install" not in command and "pip" not in command and "venv" not in command
    if Path(command[0]).name == "docker":
        return "version" in command
    if str(engine.PROGRAM) in command:
        return True  # it draws
    return "-c" in command or ("-m" in command and command[command.index("-m") + 1].split(".")[0] not in MEASURES)


def samestep(command: Sequence[str], folder: Path) -> Ended:
    """Run samestep's `main` with `command` in this process; `folder` takes what it prints."""
    sys.argv = ["samestep", *command]
    return called(cli.main, command, folder)


def called(function: Callable[[], object], command: Sequence[str], folder: Path) -> Ended:
    """Call `function` as the command `command`; return how it ended."""
    code: int | None = 0
    crash = ""
    with _captured(folder) as captured, _within(LONGEST_S), warnings.catch_warnings():
        for loud in (RuntimeWarning, UserWarning, FutureWarning):
            warnings.simplefilter("always", loud)
        try:
            function()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except Begun:
            code = 0
        except TooLongError:
            code = None
        except BaseException:  # noqa: BLE001 -- whatever gets here would be a traceback
            code, crash = 1, crash_in(traceback.format_exc())
    return Ended(command=tuple(command), code=code, out=captured["out"], err=captured["err"], crash=crash)


@contextlib.contextmanager
def _captured(folder: Path) -> Iterator[dict[str, bytes]]:
    """Let descriptors 1 and 2, and the streams on them, write into files of `folder`; then give what is in these."""
    data: dict[str, bytes] = {}
    kept = sys.stdout, sys.stderr, os.dup(1), os.dup(2)
    files = {1: folder / "standard-output", 2: folder / "standard-error"}
    for number, path in files.items():
        opened = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115 -- a descriptor
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False),  # noqa: SIM115 -- a descriptor
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )
    mine = sys.stdout, sys.stderr
    try:
        yield data
    finally:
        for stream in mine:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = kept[:2]
        for number, old in ((1, kept[2]), (2, kept[3])):
            os.dup2(old, number)
            os.close(old)
        data |= {"out": files[1].read_bytes(), "err": files[2].read_bytes()}


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TooLongError in this block after so many seconds."""

    def late(number: int, frame: types.FrameType | None) -> None:
        raise TooLongError

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def written(folder: Path) -> Mapping[str, bytes]:
    """Return the text files under `folder`, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".html", ".md", ".csv", ".json", ".svg")
    }
