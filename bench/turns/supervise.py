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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.turns.turn import LOG_CHARACTERS, RECORD_FILE, TAIL_LINES, TURN_FILE, Outcome, Turn, last_phase, to_json

BENCH: Final = Path(__file__).resolve().parents[1]
LOG_FILE: Final = "output.log"
PATH_FOLDER: Final = "path"  # holds a link to `bench` and nothing else that can be imported
PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)
SCRATCH: Final = "scratch"  # TMPDIR of the process: it holds every compile cache, so each replicate starts cold
# They would make the fresh interpreter use packages of another environment.
DROPPED: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "PYTHONWARNINGS")


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
    scratch = folder / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    path = folder / PATH_FOLDER
    path.mkdir(exist_ok=True)
    (path / BENCH.name).symlink_to(BENCH)
    (folder / TURN_FILE).write_text(to_json(turn), encoding="utf-8")
    started = time.time_ns()
    begin = time.perf_counter_ns()
    timed_out = False
    with (folder / LOG_FILE).open("wb") as log:
        try:
            process = subprocess.Popen(
                [python, "-m", "bench", "turn", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment(turn, folder, os.environ),
                start_new_session=True,
            )
        except OSError as error:
            return Outcome(started_unix_ns=started, wall_ns=0, exit_code=None, tail=(f"{python}: {error.strerror}",))
        try:
            on_start(process.pid)
            process.wait(turn.timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            end_group(process)
    wall = time.perf_counter_ns() - begin
    shutil.rmtree(scratch, ignore_errors=True)
    return Outcome(
        started_unix_ns=started,
        wall_ns=wall,
        exit_code=process.returncode if process.returncode >= 0 else None,
        signal=signal_name(-process.returncode) if process.returncode < 0 else "",
        timed_out=timed_out,
        phase=last_phase(folder),
        tail=tail(log_text := read_log(folder / LOG_FILE)),
        record=read(folder / RECORD_FILE),
        log=log_text[-LOG_CHARACTERS:],
    )


def environment(turn: Turn, folder: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the fresh process; those of the framework are set inside it, from its file."""
    # The settings of a pytest that runs samestep must not reach the pytest of the replicate.
    kept = {name: v for name, v in inherited.items() if name not in DROPPED and not name.startswith("PYTEST_")}
    return {
        **kept,
        "PYTHONPATH": str(folder / PATH_FOLDER),
        "PYTHONHASHSEED": str(turn.hash_seed),
        "PYTHONUNBUFFERED": "1",  # keeps the last lines of a killed process
        "TMPDIR": str(folder / SCRATCH),
    }


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
    """Return the text of a log; invalid bytes are replaced."""
    return path.read_text(encoding="utf-8", errors="replace")


def tail(log: str) -> tuple[str, ...]:
    """Return the last lines of a log, without empty ones."""
    lines = [line.rstrip() for line in log.splitlines()]
    return tuple(line[:500] for line in lines if line)[-TAIL_LINES:]


def read(path: Path) -> str:
    """Return the text of a file, empty when it is not there."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent has ended, so that `end_strays` finds it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_strays() -> None:
    """Kill and reap all processes that a turn left outside its process group."""
    while strays := list(children()):
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def children() -> Iterator[int]:
    """Yield the processes whose parent is this one, from field 4 of /proc/PID/stat (proc(5))."""
    me = str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1] == me:
                yield int(stat.parent.name)
