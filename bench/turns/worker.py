"""A worker of `docker compose up`: waits for turns of one framework and runs each in a fresh process. Stdlib only.

    connect ─→ hello ─→ wait for a turn ─→ run it, watch the connection ─→ outcome ─┐
       ↑                     ↑   └─ bye: leave with 0                               │
       └── connection lost ──┴──────────────────────────────────────────────────────┘

Nothing may run during a measurement. So a worker imports no framework, sleeps in the kernel while it waits, ends its
turn at once when the harness is gone, and leaves no process of a turn behind. It reads and writes only on the socket
and in its own temporary folder: its container has a read-only root and no writable mount.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.records import codec
from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.supervise import adopt_orphans, end_strays, supervise
from bench.turns.turn import Outcome, Turn, last_phase

PATIENCE_S: Final = 60.0  # an idle worker without a harness exits after so long: no container waits for ever
RETRY_FIRST_S: Final = 0.1
RETRY_LONGEST_S: Final = 2.0
PHASE_EVERY_S: Final = 1.0  # between two reads of the phase, for a lost worker's record; a read takes some 30 µs
LOCKS: Final = Path("/opt/locks")  # where images/Dockerfile keeps the locks of the installed packages

Say = Callable[[str], None]
# The counters of a container's own memory cgroup: version 2, version 1.
OOM_COUNTERS: Final = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


def main(argv: Sequence[str]) -> int:
    """Serve turns until the harness says goodbye or has been away for too long; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench worker", description="Run turns that the harness hands out.")
    parser.add_argument("address", type=Path, help="the Unix socket at which the harness listens")
    parser.add_argument("framework", help="whose turns this worker takes")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, metavar="SECONDS", help="leave without a harness")
    options = parser.parse_args(argv)
    hello = Hello(
        framework=options.framework,
        pid=os.getpid(),
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        image=identity(options.framework),
    )
    adopt_orphans()
    try:
        serve(options.address, hello, patience_s=options.patience)
    except KeyboardInterrupt:
        return 130
    return 0


def identity(framework: str, locks: Path = LOCKS) -> str:
    """Return what identifies this image: its lock files, because a container does not know its image's digest."""
    digest = hashlib.sha256()
    files = sorted(locks.glob("*.txt"))
    for path in files:
        digest.update(path.read_bytes())
    return f"samestep/{framework}, locks sha256:{digest.hexdigest()}" if files else ""


def print_line(line: str) -> None:
    """Print for `docker compose logs`."""
    print(line, file=sys.stderr, flush=True)


def serve(address: Path, hello: Hello, *, patience_s: float = PATIENCE_S, say: Say = print_line) -> None:
    """Take turns from whichever harness listens at `address`, one after another, until one says goodbye."""
    while True:
        channel = reach(address, patience_s)
        if channel is None:
            say(f"no harness at {address} for {patience_s:g} s: leaving")
            return
        with channel:
            try:
                take_turns(channel, hello)
            except LostError as error:
                say(f"lost the harness: {error}")
            else:
                return


def reach(address: Path, patience_s: float) -> Channel | None:
    """Connect, trying again for `patience_s`; None when there is no answer."""
    deadline = time.monotonic() + patience_s
    pause = RETRY_FIRST_S
    while True:
        try:
            return connect(address)
        except OSError:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(pause, left))
            pause = min(2 * pause, RETRY_LONGEST_S)


def take_turns(channel: Channel, hello: Hello) -> None:
    """Run the turns that come; return at goodbye, raise LostError when the harness is gone."""
    channel.send("hello", dataclasses.asdict(hello))
    while True:
        kind, body = channel.receive()
        if kind == "bye":
            return
        if kind != "turn" or not isinstance(body, dict):
            raise LostError(f"unknown message {kind!r}")
        try:
            turn = codec.decode(Turn, body)
        except codec.RecordError as error:
            raise LostError(f"a turn that cannot be read: {error}") from error
        channel.send("outcome", dataclasses.asdict(run(turn, channel)))


def run(turn: Turn, channel: Channel) -> Outcome:
    """Run one turn in a fresh process in a folder of its own; raise LostError when the harness is gone."""
    begin, killed_before = time.time_ns(), oom_kills()
    try:
        outcome, lost = _run_watched(turn, channel)
    except OSError as error:  # such as a full /tmp
        return Outcome(started_unix_ns=begin, wall_ns=time.time_ns() - begin, exit_code=None, tail=(str(error),))
    if lost:
        raise LostError("the turn was ended")
    return dataclasses.replace(outcome, out_of_memory=not outcome.record and oom_kills() > killed_before)


def _run_watched(turn: Turn, channel: Channel) -> tuple[Outcome, bool]:
    with tempfile.TemporaryDirectory(prefix="turn-", ignore_cleanup_errors=True) as name:
        with PhaseWatch(channel, Path(name)) as watch:
            try:
                outcome = supervise(turn, Path(name), on_start=watch.started)
            finally:
                end_strays()
        return outcome, watch.lost


class PhaseWatch:
    """Sends the phase of a running turn to the harness, and kills the turn when the connection drops."""

    def __init__(self, channel: Channel, folder: Path, every_s: float = PHASE_EVERY_S) -> None:
        self.channel = channel
        self.folder = folder
        self.every_s = every_s
        self.lost = False
        self._pid = 0
        self._lock = threading.Lock()
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._woken)
        self._thread.join()
        os.close(self._wake)

    def started(self, pid: int) -> None:
        """Register the turn's process, which leads its own process group."""
        # When memory runs out, the kernel must kill the turn and not the worker, which reports what happened.
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")
        with self._lock:
            self._pid = pid
            if self.lost:
                self._kill()

    def _watch(self) -> None:
        sent = ""
        while True:
            readable, _, _ = select.select([self.channel.socket.fileno(), self._wake], [], [], self.every_s)
            if self._wake in readable:
                return
            phase = last_phase(self.folder)
            # Nothing is sent to a busy worker: what can be read is the end of the connection, or nonsense.
            if readable or not (phase == sent or self._send(phase)):
                with self._lock:
                    self.lost = True
                    self._kill()
                return
            sent = phase

    def _send(self, phase: str) -> bool:
        try:
            self.channel.send("phase", phase)
        except LostError:
            return False
        return True

    def _kill(self) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)


def oom_kills(counters: Sequence[Path] = OOM_COUNTERS) -> int:
    """Return how many processes the kernel has killed for memory in this container; 0 where that is unknown."""
    for path in counters:
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0
