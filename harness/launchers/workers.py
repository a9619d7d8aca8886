"""Turns for the worker services of compose.yaml: this side listens, the workers connect (bench.turns.worker).

One turn is out at a time, so nothing runs beside it. The socket lies on a volume that the workers see read-only; no
engine socket is needed or mounted. A worker that dies, hangs or is killed ends its turn as a record. Whoever comes
back knocks at any time and is let in before the next turn; of several workers of one framework the first is used and
the others are spares.
"""

import contextlib
import dataclasses
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records import codec
from bench.records.codec import RecordError
from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.turn import Outcome, Turn
from harness.errors import SetupError
from harness.launchers.base import OnStart, Say

ADDRESS: Final = Path("/run/samestep/harness.sock")  # on the volume that compose.yaml mounts
HELLO_S: Final = 2.0  # for a connection to say who it is
DISMISSAL_S: Final = 3.0  # longer than the longest pause between two attempts of a worker to connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds."""

    worker: float = 60.0  # for a worker to connect, at the start and after its death
    grace: float = 30.0  # for an answer beyond a turn's own time limit, at which the worker ends the turn itself
    # An engine or a project that is being stopped kills the workers and this harness together. Waiting so long before
    # a worker is believed lost keeps the shutdown from being recorded as that worker's failure.
    shutdown: float = 3.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that has said hello."""

    hello: Hello
    channel: Channel


class WorkersLauncher:
    """Hands turns to connected workers."""

    name = "workers"
    in_container = True

    def __init__(self, address: Path = ADDRESS, limits: Patience | None = None) -> None:
        self.address = address
        self.limits = limits or Patience()
        self.workers: list[Worker] = []
        self.given_up: set[str] = set()  # frameworks whose workers were waited for in vain
        self._listener: socket.socket | None = None

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Wait for the workers to connect; return why for those that did not.

        Raises:
            SetupError: the socket cannot be made, or another harness listens there.
        """
        self.open()
        say(f"waiting for the workers of {', '.join(frameworks)}")
        deadline = time.monotonic() + self.limits.worker
        missing = set(frameworks)
        while missing:
            came = self.admit(deadline - time.monotonic())
            if came is None:
                break
            if came.hello.framework in missing:
                missing.remove(came.hello.framework)
                say(f"{came.hello.framework}: its worker is ready")
        self.given_up |= missing
        return {name: absence(name) for name in frameworks if name in missing}

    def open(self) -> None:
        """Listen; raises SetupError."""
        if self._listener is None:
            self._listener = listen(self.address)

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Hand `turn` to a worker of its framework and wait for its end.

        `on_start` is not called: nobody in a container knows the host's number of a process.
        """
        del on_start
        begin = time.time_ns()
        worker = self._hand_out(turn)
        if worker is None:
            return _lost(begin, "launch", absence(turn.cell.framework))
        try:
            return self._await_outcome(worker, turn, begin)
        except BaseException:  # Ctrl-C: a worker that is cut off ends its turn
            self._drop(worker)
            raise

    def again(self, run: Path) -> str:
        """Return the command that resumes, typed outside the container that this runs in."""
        return f"SAMESTEP_RESUME={run.name} docker compose up"

    def close(self) -> None:
        """Say goodbye to all workers, so that their containers end, and stop listening; safe to call twice."""
        if self._listener is None:
            return
        while self.admit(0.0):
            pass
        for worker in list(self.workers):
            with contextlib.suppress(LostError):
                worker.channel.send("bye")
            self._drop(worker)
        self._listener.close()
        self._listener = None
        self.address.unlink(missing_ok=True)

    def _hand_out(self, turn: Turn) -> Worker | None:
        """Send the turn to the first worker that takes it, waiting for one to come back; None when none did."""
        framework = turn.cell.framework
        deadline = time.monotonic() + (0.0 if framework in self.given_up else self.limits.worker)
        while self.admit(0.0):
            pass
        while True:
            for worker in [each for each in self.workers if each.hello.framework == framework]:
                known = dataclasses.replace(turn, image=worker.hello.image)
                try:
                    worker.channel.send("turn", dataclasses.asdict(known))
                except LostError:
                    self._drop(worker)
                else:
                    self.given_up.discard(framework)
                    return worker
            if self.admit(deadline - time.monotonic()) is None:
                self.given_up.add(framework)  # its later turns fail at once, unless a worker is back by then
                return None

    def _await_outcome(self, worker: Worker, turn: Turn, begin: int) -> Outcome:
        phase = "launch"
        deadline = time.monotonic() + turn.timeout_s + self.limits.grace
        try:
            while True:
                kind, body = worker.channel.receive(max(0.0, deadline - time.monotonic()))
                if kind == "outcome":
                    return codec.decode(Outcome, body)
                if kind == "phase":
                    phase = str(body)
        except TimeoutError:
            self._drop(worker)
            return _lost(begin, phase, "its worker did not answer and was cut off", timed_out=True)
        except (LostError, RecordError) as error:
            self._drop(worker)
            time.sleep(self.limits.shutdown)
            return _lost(begin, phase, f"its worker went away in mid-turn: {error}")

    def admit(self, timeout_s: float) -> Worker | None:
        """Let in whoever knocks within `timeout_s` and says hello; None when nobody did."""
        assert self._listener is not None, "prepare comes first"
        deadline = time.monotonic() + max(0.0, timeout_s)
        while select.select([self._listener], [], [], max(0.0, deadline - time.monotonic()))[0]:
            connection, _ = self._listener.accept()
            channel = Channel(connection)
            try:
                worker = Worker(codec.decode(Hello, channel.expect("hello", HELLO_S)), channel)
            except (TimeoutError, LostError, RecordError):
                channel.close()
                continue
            self.workers.append(worker)
            return worker
        return None

    def _drop(self, worker: Worker) -> None:
        worker.channel.close()
        if worker in self.workers:
            self.workers.remove(worker)


def listen(address: Path) -> socket.socket:
    """Return a socket that listens at `address`, open to every user who sees the volume.

    Raises:
        SetupError: it cannot be made, or another harness listens there.
    """
    if _is_answered(address):
        raise SetupError(f"another samestep hands out turns at {address}: wait for it, or end it (docker compose down)")
    listener = socket.socket(socket.AF_UNIX)
    try:
        address.unlink(missing_ok=True)
        listener.bind(str(address))
        address.chmod(0o666)
    except OSError as error:
        listener.close()
        raise SetupError(
            f"cannot listen at {address} ({error.strerror}): the launcher 'workers' is for `docker compose up`; "
            "elsewhere use --launcher docker or venv"
        ) from error
    listener.listen()
    return listener


def dismiss(address: Path = ADDRESS, seconds: float = DISMISSAL_S) -> None:
    """Say goodbye to workers that were started and never needed, so that they need not wait in vain.

    Raises:
        SetupError: as `listen`; another harness may need them.
    """
    launcher = WorkersLauncher(address)
    launcher.open()
    deadline = time.monotonic() + seconds
    while launcher.admit(deadline - time.monotonic()):
        pass
    launcher.close()


def absence(framework: str) -> str:
    """Say that a worker is not there, and what to do."""
    return (
        f"no worker of {framework} has connected: `docker compose logs {framework}` says why, "
        f"`docker compose up -d {framework}` starts it again"
    )


def _is_answered(address: Path) -> bool:
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def _lost(begin_unix_ns: int, phase: str, why: str, *, timed_out: bool = False) -> Outcome:
    return Outcome(
        started_unix_ns=begin_unix_ns,
        wall_ns=time.time_ns() - begin_unix_ns,
        exit_code=None,
        timed_out=timed_out,
        phase=phase,
        tail=(why,),
    )
