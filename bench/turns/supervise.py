"""Start the fresh process of a turn, wait for its end, and leave none of its processes running. Standard library only.

The same code serves the local launchers on the host and the worker inside a container.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.records import text
from bench.turns import killed, reason, variables
from bench.turns.parking import DESCRIPTOR, PARENT
from bench.turns.turn import LOG_CHARACTERS, RECORD_FILE, TAIL_LINES, TURN_FILE, Outcome, Turn, last_phase, to_json

BENCH: Final = Path(__file__).resolve().parents[1]
LOG_FILE: Final = "output.log"
PATH_FOLDER: Final = "path"  # holds a link to `bench` and nothing else that can be imported
PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)
LONGEST_RECORD: Final = 48 << 20  # bytes: it has tens of kilobytes, with an exported model some megabytes
SCRATCH: Final = "scratch"  # TMPDIR of the process: it holds every compile cache, so each replicate starts cold


def supervise(
    turn: Turn,
    folder: Path,
    *,
    python: str = sys.executable,
    on_start: Callable[[int], None] = lambda pid: None,
) -> Outcome:
    """Run `turn` in a fresh process of the interpreter `python`, in `folder`, which is for this turn alone.

    Whatever interrupts the wait (such as Ctrl-C) ends the process and all that it started, and is then raised again.
    """
    process = Supervised(turn, folder, python)
    try:
        process.start(on_start)
        process.wait(turn.timeout_s)
    except OSError as error:
        return process.not_started(error)
    finally:
        process.end()
    return process.outcome()


class Supervised:
    """The fresh process of a turn, from its start to its outcome. Not reusable."""

    def __init__(self, turn: Turn, folder: Path, python: str = sys.executable) -> None:
        """Run `turn` with the interpreter `python` in `folder`, which is for this turn alone."""
        self._turn = turn
        self._folder = folder
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._started_unix_ns = 0
        self._timed_out = False
        self._kills_before = 0
        self._is_ended = False
        self.ran_ns = 0  # how long it has run, without the time in which it was stopped

    @property
    def pid(self) -> int:
        """Of the process, which leads its own session and process group; 0: it was not started."""
        return self._process.pid if self._process else 0

    def start(self, on_start: Callable[[int], None], keeper: int | None = None) -> None:
        """Start the process; `keeper`: descriptor of a socket that it inherits (`bench.turns.parking`).

        Raises:
            OSError: the interpreter does not start.
        """
        folder = self._folder
        (folder / SCRATCH).mkdir(parents=True, exist_ok=True)
        path = folder / PATH_FOLDER
        path.mkdir(exist_ok=True)
        (path / BENCH.name).symlink_to(Path(self._turn.code) / BENCH.name if self._turn.code else BENCH)
        (folder / TURN_FILE).write_text(to_json(self._turn), encoding="utf-8")
        given = {**environment(self._turn, folder, os.environ), PARENT: str(os.getpid())}
        self._kills_before = killed.oom_kills()
        self._started_unix_ns = time.time_ns()
        with self.running(), (folder / LOG_FILE).open("wb") as log:
            self._process = subprocess.Popen(
                [self._python, "-m", "bench", "turn", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=given if keeper is None else {**given, DESCRIPTOR: str(keeper)},
                start_new_session=True,
                pass_fds=() if keeper is None else (keeper,),
            )
        # When memory runs out, the kernel must kill the turn and not what reports it.
        killed.prefer(self._process.pid)
        on_start(self._process.pid)

    def wait(self, timeout_s: float) -> None:
        """Wait until it ends; what still runs after `timeout_s` counts as timed out."""
        assert self._process, "it was not started"
        with self.running():
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._timed_out = True

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count the time in this block as time in which the process ran."""
        begin = time.perf_counter_ns()
        try:
            yield
        finally:
            self.ran_ns += time.perf_counter_ns() - begin

    def is_over(self) -> bool:
        """Return whether the process has ended."""
        return self._process is None or self._process.poll() is not None

    def end(self) -> None:
        """Kill the process and everything it started, such as compilers; safe to call at any time."""
        if self._process is not None and not self._is_ended:  # once: another process may get its PID
            self._is_ended = True
            end_group(self._process)
        shutil.rmtree(self._folder / SCRATCH, ignore_errors=True)

    def outcome(self) -> Outcome:
        """Return how the process ended; call `end` first."""
        assert self._process, "it was not started"
        code = self._process.returncode
        signal_text = signal_name(-code) if code < 0 else ""
        log_text, record = read_log(self._folder / LOG_FILE), read(self._folder / RECORD_FILE)
        # Somebody may kill a process, too, and the kernel may have killed that of somebody else meanwhile.
        was_killed = (signal_text == "SIGKILL" and not record) or reason.tells_of_killed_child(record or log_text)
        return Outcome(
            started_unix_ns=self._started_unix_ns,
            wall_ns=self.ran_ns,
            exit_code=code if code >= 0 else None,
            signal=signal_text,
            timed_out=self._timed_out,
            out_of_memory=was_killed and killed.oom_kills() > self._kills_before,
            phase=last_phase(self._folder),
            tail=tail(log_text),
            record=record,
            log=log_text,
        )

    def not_started(self, error: OSError) -> Outcome:
        """Return the outcome of a process that did not start."""
        reason = f"{self._python}: {error.strerror}"
        return Outcome(started_unix_ns=self._started_unix_ns, wall_ns=0, exit_code=None, tail=(reason,))


def environment(turn: Turn, folder: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the fresh process; those of the framework are set inside it, from its file."""
    stated = variables.measured(
        inherited, folder / SCRATCH, named=turn.named, in_image=bool(turn.image), kernels=turn.kernels
    )
    return {**stated, "PYTHONPATH": str(folder / PATH_FOLDER), "PYTHONHASHSEED": str(turn.hash_seed)}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and everything it started, such as compilers; do nothing when all have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def signal_name(number: int) -> str:
    """Return "SIGKILL" for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def read_log(path: Path) -> str:
    """Return the end of a log, however long it is, as it can be shown: `LOG_CHARACTERS` at most; no file: empty."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * LOG_CHARACTERS))  # UTF-8 has four bytes at most
            return text.log(file.read().decode(errors="surrogateescape"))
    except OSError:
        return ""


def tail(log: str) -> tuple[str, ...]:
    """Return the last lines of a log, without empty ones."""
    lines = [line.rstrip() for line in log.splitlines()]
    return tuple(line[: text.TAIL_LINE] for line in lines if line)[-TAIL_LINES:]


def read(path: Path) -> str:
    """Return the text of a file, at most `LONGEST_RECORD` of it; empty when it is not there or cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_RECORD).decode(errors="replace").strip()
    except OSError:
        return ""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent has ended, so that `end_strays` finds it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_strays(spare: Collection[int] = ()) -> None:
    """Kill and reap all processes that a turn left outside its process group.

    Those of a session led by a process in `spare` stay: they belong to turns that go on. So do those of the own
    session, such as the process that draws: a turn begins a session, and nothing goes back from one.
    """
    kept = {*spare, os.getsid(0)}
    while strays := [pid for pid in children() if not _is_of(pid, kept)]:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _is_of(pid: int, leaders: Collection[int]) -> bool:
    try:
        return os.getsid(pid) in leaders
    except ProcessLookupError:
        return False  # it has just ended, and is to be reaped


def children() -> Iterator[int]:
    """Yield the processes whose parent is this one, from field 4 of /proc/PID/stat (proc(5))."""
    me = str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1] == me:
                yield int(stat.parent.name)
