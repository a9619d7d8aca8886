"""A member of a group in a container of its own, kept by a worker there (`bench.turns.worker`)."""

import contextlib
import dataclasses
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from docker.errors import APIError
from docker.models.containers import Container
from requests.exceptions import ConnectionError as EngineError
from requests.exceptions import ReadTimeout

from bench.records.codec import RecordError
from bench.turns.channel import Channel, Hello, LostError
from bench.turns.turn import PHASE_FILE, Outcome
from harness import strict
from harness.launchers.base import OnStart
from harness.launchers.container import OUT, STOP_S, engine_answers, not_started, open_folder, outcome, remove
from harness.launchers.remote import Loss, Worker

SOCKET: Final = "harness.sock"  # in the folder of the turn
HELLO_S: Final = 5.0  # for a new connection to say which worker it is
CONNECT_S: Final = 60.0  # for the worker of a started container to connect
LOOK_S: Final = 0.5  # between two looks whether the container has ended before that
PHASE_EVERY_S: Final = 0.1  # between two phases told: the sampler looks as often


def worker_command(framework: str) -> list[str]:
    """Return the command of the container."""
    arguments = [f"{OUT}/{SOCKET}", framework, "--once", "--patience", "5", "--phases", str(PHASE_EVERY_S)]
    return ["python", "-m", "bench", "worker", *arguments]


class ContainerLink:
    """Starts a container for one member; its worker connects to a socket in the folder of the turn.

    The folder is mounted read-only: to connect takes no right to write. When the connection ends, the worker leaves and
    the container ends by itself.
    """

    def __init__(self, create: Callable[[Path], Container], *, gpu: str) -> None:
        """Make the container with `create`, from the folder of the turn; `gpu` is for the engine's errors."""
        self._create = create
        self._gpu = gpu
        self._held = contextlib.ExitStack()
        self._folder = Path()
        self._container: Container | None = None

    def connect(self, on_start: OnStart) -> Worker | Outcome:
        """Start the container and wait for its worker.

        Raises:
            SetupError: the connection to the engine is lost.
        """
        begin = time.time_ns()
        self._folder = self._held.enter_context(open_folder())
        listener = self._held.enter_context(listening(self._folder))
        try:
            with engine_answers():
                container = self._container = self._create(self._folder)
                self._held.callback(remove, container)
                container.start()
                container.reload()
                if pid := container.attrs["State"]["Pid"]:
                    on_start(pid, self._folder)
                return self._accept(listener, container) or self._outcome(kill=is_running(container))
        except APIError as error:
            return not_started(error, begin, gpu=self._gpu)

    def note(self, phase: str) -> None:
        """Write the phase where the sampler reads it."""
        with contextlib.suppress(OSError):
            (self._folder / PHASE_FILE).write_text(phase, encoding="utf-8")

    def lost(self, worker: Worker, loss: Loss) -> Outcome:
        """Return how the container ended.

        Raises:
            SetupError: the connection to the engine is lost.
        """
        with engine_answers():
            ended = self._outcome(kill=loss.timed_out)
        return dataclasses.replace(ended, wall_ns=loss.ran_ns, tail=ended.tail or (loss.reason,))

    def close(self) -> None:
        """Remove the container and the folder; safe to call twice."""
        self._held.close()

    def _accept(self, listener: socket.socket, container: Container) -> Worker | None:
        """Return the worker that connects; None: there is none in time, or the container has ended."""
        deadline = time.monotonic() + CONNECT_S
        while not select.select([listener], [], [], LOOK_S)[0]:
            if time.monotonic() > deadline or not is_running(container):
                return None
        channel = Channel(listener.accept()[0])
        self._held.callback(channel.close)
        try:
            return Worker(strict.decoded(Hello, channel.expect("hello", HELLO_S)), channel)
        except (TimeoutError, LostError, RecordError):
            return None

    def _outcome(self, *, kill: bool) -> Outcome:
        """Return how the container ended; `kill`: it did not end in time."""
        container = self._container
        assert container, "it was not started"
        if kill:
            end(container)
        try:
            container.wait(timeout=STOP_S)
        except (ReadTimeout, EngineError):  # the SDK raises either at a time limit
            end(container)
            container.wait(timeout=STOP_S)
        container.reload()
        log = container.logs().decode(errors="replace")
        return outcome(container.attrs["State"], self._folder, log, timed_out=kill)


def is_running(container: Container) -> bool:
    """Ask the engine whether the container has not ended."""
    container.reload()
    return bool(container.attrs["State"]["Running"])


def end(container: Container) -> None:
    """Kill a container, unless it has ended."""
    with contextlib.suppress(APIError):
        container.kill()


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[socket.socket]:
    """Yield a socket that listens in `folder`, open to every user who can enter it."""
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(folder, os.O_PATH)
        try:
            # A socket's path has 107 bytes at most, and the temporary folder of a host may have more.
            listener.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
        finally:
            os.close(descriptor)
        (folder / SOCKET).chmod(0o666)
        listener.listen()
        yield listener
