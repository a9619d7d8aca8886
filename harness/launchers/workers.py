"""Turns for the worker services of compose.yaml: this side listens, the workers connect (bench.turns.worker).

One turn runs at a time, or one member of a group. The socket is on a volume that is read-only for the workers; no
socket of the engine is needed or mounted. When a worker dies, hangs or is killed, its turn ends with a failed record,
and so does each of its members. A worker may connect again at any time and is accepted before the next turn. Of several
workers of one framework the first is used; the others are spares.
"""

import contextlib
import dataclasses
import itertools
import os
import select
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records.codec import RecordError
from bench.turns.channel import Channel, Hello, LostError, connect
from bench.turns.turn import Outcome, Turn
from harness import strict
from harness.errors import SetupError
from harness.launchers.base import OnStart, Say
from harness.launchers.noted import Noted, peer
from harness.launchers.remote import SILENT, Loss, RemoteMember, Worker
from harness.terminal import shell

ADDRESS: Final = Path("/run/samestep/harness.sock")  # on the volume that compose.yaml mounts
DOWN: Final = "docker compose --profile '*' down"  # all services, whichever the variables choose
SHARED: Final = "code-"  # beside it: a copy of bench/ as the run began
HELLO_S: Final = 2.0  # time for a new connection to say which worker it is
DISMISSAL_S: Final = 3.0  # longer than the longest pause between two attempts to connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the launcher waits, in seconds."""

    worker: float = 60.0  # for a worker to connect, at the start and after it died
    grace: float = 30.0  # for an answer after the time limit of a turn, at which the worker itself ends the turn
    # When the engine or the project is stopped, the workers and this harness are killed together. Because of this
    # wait before a lost worker is recorded, a shutdown is not recorded as a failure of the worker.
    shutdown: float = 3.0


class WorkersLauncher:
    """Sends turns to connected workers."""

    name = "workers"
    in_container = True

    def __init__(self, address: Path = ADDRESS, *, patience: Patience | None = None, code: Path | None = None) -> None:
        """Use the socket at `address`; `prepare` makes it.

        `patience`: None: the defaults. `code`: folder whose bench/ the replicates import; None: that of the workers.
        """
        self.address = address
        self._code = code
        self._shared: Path | None = None  # its copy beside the socket, which the workers see
        self.patience = patience or Patience()
        self.workers: list[Worker] = []
        self.absent: set[str] = set()  # frameworks whose workers did not connect in time
        self._frameworks: tuple[str, ...] = ()  # those of the run
        self._listener: socket.socket | None = None
        self._numbers = itertools.count(1)  # of the members

    def prepare(self, frameworks: Sequence[str], say: Say) -> Mapping[str, str]:
        """Wait for the workers to connect; return, by framework, why there is none.

        Raises:
            SetupError: the socket cannot be made, or another harness listens there.
        """
        self._frameworks = tuple(frameworks)
        self.open()
        self._share_code()
        if frameworks:
            say(f"waiting for the workers of {', '.join(frameworks)}")
        deadline = time.monotonic() + self.patience.worker
        missing = set(frameworks)
        while missing:
            worker = self.accept(deadline - time.monotonic())
            if worker is None:
                break
            if worker.hello.framework in missing:
                missing.remove(worker.hello.framework)
                say(f"{worker.hello.framework}: its worker is ready")
        self.absent |= missing
        return {name: absence(name) for name in frameworks if name in missing}

    def open(self) -> None:
        """Start to listen; raises SetupError."""
        if self._listener is None:
            self._listener = listen(self.address)

    def take(self, turn: Turn, on_start: OnStart) -> Outcome:
        """Send `turn` to a worker of its framework and wait for its outcome.

        `on_start` gets a folder of this side with the phases that the worker sends, and the PID where it is visible.
        """
        begin = time.time_ns()
        turn = self._with_code(turn)
        worker = self.find(turn.cell.framework)
        if worker is None:
            return _lost(begin, phase="launch", reason=absence(turn.cell.framework))
        with contextlib.closing(Noted(on_start, worker.pid)) as noted:
            try:
                return self._await_outcome(worker, turn, begin, noted)
            except BaseException:  # Ctrl-C: a worker whose connection is closed ends its turn
                self.drop(worker)
                raise

    def why_not_alternate(self) -> str:
        """Return "": a worker can stop its own child."""
        return ""

    def member(self, turn: Turn) -> RemoteMember:
        """Return `turn` as a member of a group, kept by a worker of its framework."""
        link = WorkersLink(self, turn.cell.framework)
        return RemoteMember(self._with_code(turn), next(self._numbers), link, grace_s=self.patience.grace)

    def damage(self, framework: str) -> str:
        """Return "": an image does not change."""
        return ""

    def inventory(self, framework: str) -> str:
        """Return "": an image has a digest of its own."""
        return ""

    def again(self, run: Path) -> str:
        """Return the command that resumes the run, to be typed on the host, not in this container."""
        return shell.compose(
            "up",
            device=os.environ.get("SAMESTEP_DEVICE", "cuda"),
            variables={"SAMESTEP_RESUME": run.name, **shell.only(self._frameworks)},
            environ=os.environ,
        )

    def close(self) -> None:
        """Send "bye" to all workers, so that their containers end, and stop listening; safe to call twice."""
        if self._listener is None:
            return
        while self.accept(0.0):
            pass
        for worker in list(self.workers):
            with contextlib.suppress(LostError):
                worker.channel.send("bye")
            self.drop(worker)
        self._listener.close()
        self._listener = None
        self.address.unlink(missing_ok=True)
        self._remove_shared()

    def find(self, framework: str) -> Worker | None:
        """Return the first worker of a framework, or wait for one; None: none connected."""
        deadline = time.monotonic() + (0.0 if framework in self.absent else self.patience.worker)
        while self.accept(0.0):
            pass
        while True:
            for worker in [worker for worker in self.workers if worker.hello.framework == framework]:
                if worker.is_idle():
                    self.absent.discard(framework)
                    return worker
                self.drop(worker)
            if self.accept(deadline - time.monotonic()) is None:
                self.absent.add(framework)  # its later turns fail at once, unless a worker has connected by then
                return None

    def drop(self, worker: Worker, reason: str = "its worker was disconnected") -> None:
        """Disconnect a worker; its turn and its members end."""
        worker.drop(reason)
        if worker in self.workers:
            self.workers.remove(worker)

    def _with_code(self, turn: Turn) -> Turn:
        return dataclasses.replace(turn, code=str(self._shared)) if self._shared else turn

    def _share_code(self) -> None:
        """Copy the code to where the workers see it; raises SetupError."""
        if self._code is None:
            return
        self._remove_shared()
        try:
            self._shared = Path(tempfile.mkdtemp(prefix=SHARED, dir=self.address.parent))
            shutil.copytree(self._code / "bench", self._shared / "bench")
            self._shared.chmod(0o755)  # for every user, as the socket
        except (OSError, shutil.Error) as error:
            self.close()
            raise SetupError(
                f"the code of the run does not fit beside the socket in {self.address.parent}: make its volume anew"
                f" ({DOWN} --volumes)"
            ) from error

    def _remove_shared(self) -> None:
        """Remove the code beside the socket, also that of a harness that was killed."""
        for folder in self.address.parent.glob(f"{SHARED}*"):
            shutil.rmtree(folder, ignore_errors=True)
        self._shared = None

    def _await_outcome(self, worker: Worker, turn: Turn, begin: int, noted: Noted) -> Outcome:
        phase = "launch"
        deadline = time.monotonic() + turn.timeout_s + self.patience.grace
        try:
            worker.channel.send("turn", dataclasses.asdict(dataclasses.replace(turn, image=worker.hello.image)))
            while True:
                kind, body = worker.channel.receive(max(0.0, deadline - time.monotonic()))
                if kind == "outcome":
                    return strict.decoded(Outcome, body)
                if kind == "phase":
                    phase = str(body)
                    noted.note(phase)
        except TimeoutError:
            self.drop(worker, SILENT)
            return _lost(begin, phase=phase, reason=SILENT, timed_out=True)
        except (LostError, RecordError) as error:
            self.drop(worker, reason := f"its worker disconnected during the turn: {error}")
            time.sleep(self.patience.shutdown)
            return _lost(begin, phase=phase, reason=reason)

    def accept(self, timeout_s: float) -> Worker | None:
        """Accept a worker that connects within `timeout_s` and says hello; None: there was none."""
        assert self._listener is not None, "call prepare first"
        deadline = time.monotonic() + max(0.0, timeout_s)
        while select.select([self._listener], [], [], max(0.0, deadline - time.monotonic()))[0]:
            connection, _ = self._listener.accept()
            channel = Channel(connection)
            try:
                hello = strict.decoded(Hello, channel.expect("hello", HELLO_S))
                worker = Worker(hello, channel, pid=peer(connection, hello.pid))
            except (TimeoutError, LostError, RecordError):
                channel.close()
                continue
            self.workers.append(worker)
            return worker
        return None


class WorkersLink:
    """Finds the worker of a member among those that have connected; it may keep other members, too."""

    def __init__(self, launcher: WorkersLauncher, framework: str) -> None:
        self._launcher = launcher
        self._framework = framework
        self._noted: Noted | None = None

    def connect(self, on_start: OnStart) -> Worker | Outcome:
        """Return a worker of the framework; `on_start` is called as by `take`."""
        begin = time.time_ns()
        worker = self._launcher.find(self._framework)
        if worker is None:
            return _lost(begin, phase="launch", reason=absence(self._framework))
        self._noted = Noted(on_start, worker.pid)
        return worker

    def note(self, phase: str) -> None:
        """Write the phase where the sampler reads it."""
        if self._noted:
            self._noted.note(phase)

    def lost(self, worker: Worker, loss: Loss) -> Outcome:
        """Let the others of the framework use another worker."""
        if worker in self._launcher.workers:  # the first of its members that notices
            self._launcher.drop(worker)
            if not loss.timed_out:
                time.sleep(self._launcher.patience.shutdown)
        return loss.outcome()

    def close(self) -> None:
        """Remove what the member alone used; the worker stays for others."""
        if self._noted:
            self._noted.close()
            self._noted = None


def listen(address: Path) -> socket.socket:
    """Return a socket that listens at `address`, open to every user who has the volume.

    Raises:
        SetupError: the socket cannot be made, or another harness listens there.
    """
    if _is_answered(address):
        raise SetupError(f"another samestep uses the workers at {address}: wait for it, or end it ({DOWN})")
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
    """Let idle workers exit: send "bye" to those that connect within `seconds`, when no run needs them.

    Raises:
        SetupError: as `listen`; another harness may need the workers.
    """
    launcher = WorkersLauncher(address)
    launcher.open()
    deadline = time.monotonic() + seconds
    while launcher.accept(deadline - time.monotonic()):
        pass
    launcher.close()


def absence(framework: str) -> str:
    """Return the sentence for a missing worker, with the remedy."""
    device = os.environ.get("SAMESTEP_DEVICE", "cuda")
    logs = shell.compose("logs", framework, device=device)
    start = shell.compose("up", "-d", framework, device=device, environ=os.environ)
    return (
        f"no worker of {framework} has connected: `{logs}` says why, `{start}` starts it;"
        " SAMESTEP_FRAMEWORK and SAMESTEP_PROFILE say which are started with a run"
    )


def _is_answered(address: Path) -> bool:
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def _lost(begin_unix_ns: int, *, phase: str, reason: str, timed_out: bool = False) -> Outcome:
    ran_ns = time.time_ns() - begin_unix_ns
    return Loss(started_unix_ns=begin_unix_ns, ran_ns=ran_ns, phase=phase, reason=reason, timed_out=timed_out).outcome()
