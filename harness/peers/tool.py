"""What a tool under comparison has to do, and how its programs are run."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from bench.records.text import last_line
from bench.turns import variables
from bench.turns.supervise import end_group
from harness.environments.checkout import ROOT
from harness.errors import SetupError
from harness.peers.steps import Variant

WITHIN: Final = 0.03  # a ratio is known when its half-width is at most this
PROGRAMS: Final = "harness.peers.programs"
LIBC: Final = ctypes.CDLL(None)  # loaded here, since little may be done between fork and exec
PR_SET_PDEATHSIG: Final = 1  # prctl(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a tool knows about the time of B ÷ the time of A when it stops."""

    ratio: float
    half_width: float  # relative, by the tool's own interval, or by the t interval over its repeated invocations
    is_different: bool  # by the tool's own criterion
    wall_s: float  # until then, starting of processes included

    @property
    def is_within(self) -> bool:
        """Whether the ratio is known as exactly as asked."""
        return self.half_width <= WITHIN


class Tool(Protocol):
    """A tool that compares two variants of a step."""

    @property
    def name(self) -> str:
        """Its name in the table."""
        ...

    def version(self) -> str:
        """Return its version.

        Raises:
            SetupError: it is not there; the message says how to get it.
        """
        ...

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Measure until the ratio is known within ±3 % or `time.monotonic()` passes `deadline_s`.

        Returns what is known then; None: not one ratio.

        Raises:
            SetupError: a program failed; the message has its last line.
        """
        ...


class OutOfTimeError(Exception):
    """The deadline passed before a program ended; it has been killed."""


class Programs:
    """Runs Python programs in the environment of the peers, each in a process group of its own."""

    def __init__(
        self, python: Path, scratch: Path, environment: Iterable[tuple[str, str]], cpus: Sequence[int]
    ) -> None:
        """Run with `python` on `cpus`.

        Compile caches and results are kept in `scratch`; `environment` has the variables that the frameworks ask for.
        """
        self.cpus = tuple(cpus)
        self.usable = tuple(sorted(os.sched_getaffinity(0) | {*cpus}))  # of this host, to start on
        self.python = python
        self.scratch = scratch
        self.environment: Mapping[str, str] = {
            **variables.measured(os.environ, scratch),
            "PYTHONPATH": str(ROOT),
            **{name: value.format(threads=1, scratch=scratch) for name, value in environment},
        }

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return the command of one of the programs of this package."""
        return [str(self.python), "-m", f"{PROGRAMS}.{program}", *arguments]

    def start(
        self, command: Sequence[str], output: Path, cpus: Sequence[int] = (), more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command whose output goes to a file.

        Args:
            command: the program with its arguments.
            output: the file, which is written anew.
            cpus: where it runs; empty: where is measured.
            more: further environment variables; None: none.
        """
        with output.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.scratch,
                env={**self.environment, **(more or {})},
                preexec_fn=partial(_prepare, tuple(cpus) or self.cpus),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, command: Sequence[str], deadline_s: float, **more: str) -> str:
        """Run a command to its end and return its output.

        Raises:
            OutOfTimeError: the deadline passed.
            SetupError: it failed.
        """
        output = self.scratch / "output"
        process = self.start(command, output, more=more)
        try:
            process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise OutOfTimeError from error
        finally:
            end_group(process)
        said = self.last_output()
        if process.returncode:
            raise failed(command, said)
        return said

    def last_output(self) -> str:
        """Return what the last program of `run` has printed, also when it was killed."""
        return (self.scratch / "output").read_text(errors="replace")


def _prepare(cpus: Sequence[int]) -> None:
    """Set the CPU set of the new process; it ends when this one does, also when it is stopped then."""
    os.sched_setaffinity(0, cpus)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def failed(command: Sequence[str], said: str) -> SetupError:
    """Return the error of a program that failed, with its last line."""
    name = next((word.rpartition(".")[2] for word in command if word.startswith(PROGRAMS)), Path(command[0]).name)
    return SetupError(f"{name}: {last_line(said) or 'it printed nothing'}")


def until_known(
    ratio: Callable[[], float | None], together: Callable[[Sequence[float], float], Known | None]
) -> Known | None:
    """Return what repeated ratios say `together`, given the seconds so far, once that is narrow enough or time is up.

    `ratio` returns None where it found none, and raises OutOfTimeError when the deadline has passed.
    """
    begin_s = time.monotonic()
    ratios: list[float] = []
    known: Known | None = None
    with contextlib.suppress(OutOfTimeError):
        while not (known and known.is_within):
            one = ratio()
            ratios += [one] if one else []
            known = together(ratios, time.monotonic() - begin_s)
    return known


def end_politely(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Ask a process to end and wait; kill its group when it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    finally:
        end_group(process)
