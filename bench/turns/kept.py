"""A replicate that takes turns, seen by the process that keeps it: started, parked, run in slices, finished. Stdlib.

    start ─→ import, build, first step, check, warm-up ─→ parked (stopped)
    run_slice ─→ continued ─→ one time slice ─→ stopped          as often as the harness says
    finish ─→ continued ─→ check, record, repeats ─→ ended

A parked process is stopped with all of its process group, so that no idle thread of it spins. A stopped process can be
killed like any other, and it is killed when its keeper ends (`bench.turns.prepare.end_with_parent`).
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.records import codec
from bench.turns.channel import Channel, LostError
from bench.turns.parking import Parked
from bench.turns.supervise import Supervised, end_strays
from bench.turns.turn import Outcome, Turn

LOOK_S: Final = 0.1  # between two looks whether the process has ended: a fork of it may hold the socket open
STOPPED: Final = ("T", "t", "Z", "X")  # states in /proc/PID/stat in which a process does not run
STOP_LOOKS: Final = 1000
STOP_LOOK_S: Final = 0.0002


class Kept:
    """One replicate that takes turns. Every call that returns an `Outcome` has ended the process."""

    def __init__(self, turn: Turn, folder: Path, alive: set[int], python: str = sys.executable) -> None:
        """Run `turn` with the interpreter `python`.

        Args:
            turn: the replicate.
            folder: for this turn alone; it is removed at the end.
            alive: PIDs of all processes that this keeper keeps; theirs is added, and their children are spared.
            python: path of the interpreter.
        """
        self._turn = turn
        self._folder = folder
        self._alive = alive
        self._process = Supervised(turn, folder, python)
        self._channel: Channel | None = None

    def start(self, on_start: Callable[[int, Path], None]) -> Parked | Outcome:
        """Start the process and wait until it parks, or ends; `on_start` gets its PID and the folder of its turn."""
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)

        def started(pid: int) -> None:
            self._alive.add(pid)
            on_start(pid, self._folder)

        with theirs:
            try:
                self._process.start(started, theirs.fileno())
            except OSError as error:
                self.kill()
                return self._process.not_started(error)
        answer = self._answer("parked")
        if isinstance(answer, Outcome):
            return answer
        stop(self._process.pid)
        try:
            return codec.decode(Parked, answer)
        except codec.RecordError:
            return self._ended()

    def run_slice(self) -> Outcome | None:
        """Let the process run one time slice; None: it has, and is stopped again."""
        answer = self._ended() if not self._say("slice") else self._answer("ran")
        if isinstance(answer, Outcome):
            return answer
        stop(self._process.pid)
        return None

    def finish(self) -> Outcome:
        """Let the process end by itself."""
        if self._say("finish"):
            self._process.wait(self._left_s())
        return self._ended()

    def kill(self) -> None:
        """End the process and all that it started; safe to call at any time, also twice."""
        self._process.end()
        if self._channel:
            self._channel.close()
        if self._process.pid:
            self._alive.discard(self._process.pid)
            end_strays(self._alive)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _say(self, word: str) -> bool:
        """Tell the stopped process what follows, and continue it; return whether it is still there."""
        assert self._channel, "start it first"
        if self._process.is_over():
            return False
        try:
            self._channel.send(word)
        except LostError:
            return False
        proceed(self._process.pid)
        return True

    def _answer(self, kind: str) -> object:
        """Wait for what the running process says; return it, or the outcome if it ends, hangs or says anything else."""
        try:
            with self._process.running():
                said, body = self._received()
        except (LostError, TimeoutError):  # it ends, or it hangs
            self._process.wait(self._left_s())
            return self._ended()
        return body if said == kind else self._ended()

    def _received(self) -> tuple[str, object]:
        """Return what the process says next; raises LostError when it has ended, TimeoutError when its time is up."""
        assert self._channel, "start it first"
        deadline = time.monotonic() + self._left_s()
        while not self._channel.wait_readable(LOOK_S):
            if self._process.is_over():
                raise LostError("it ended")
            if time.monotonic() > deadline:
                raise TimeoutError
        return self._channel.receive(max(0.0, deadline - time.monotonic()))

    def _left_s(self) -> float:
        return max(0.0, self._turn.timeout_s - self._process.ran_ns / 1e9)

    def _ended(self) -> Outcome:
        self._process.end()
        outcome = self._process.outcome()
        self.kill()
        return outcome


def stop(pid: int) -> None:
    """Stop the process group that `pid` leads, and return once `pid` does not run any more."""
    _signal(pid, signal.SIGSTOP)
    wait_stopped(pid)


def proceed(pid: int) -> None:
    """Continue the process group that `pid` leads."""
    _signal(pid, signal.SIGCONT)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def wait_stopped(pid: int) -> bool:
    """Wait for a fraction of a second until a process does not run; return whether it is so."""
    for _ in range(STOP_LOOKS):
        if is_stopped(pid):
            return True
        time.sleep(STOP_LOOK_S)
    return False


def is_stopped(pid: int) -> bool:
    """Return whether a process does not run: it is stopped, or has ended."""
    return _state(pid) in STOPPED


def can_stop() -> bool:
    """Return whether a process can be stopped here: not every sandbox lets one."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            process.send_signal(signal.SIGSTOP)
            return wait_stopped(process.pid) and process.poll() is None
        finally:
            process.kill()


def _state(pid: int) -> str:
    """Return field 3 of /proc/PID/stat (proc(5)); "X" when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "X"
    return stat.rpartition(")")[2].split()[0]
