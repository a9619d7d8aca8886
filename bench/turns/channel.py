"""Messages between the harness and a worker: one JSON object per line on a Unix socket. Standard library only.

    worker → harness   {"hello": Hello}      once, after connecting
    harness → worker   {"turn": Turn}        run this; nothing else is sent until the answer
    worker → harness   {"phase": "warmup"}   the current phase of what runs, when it has changed
    worker → harness   {"outcome": Outcome}  the turn has ended
    harness → worker   {"bye": null}         the plan is done: leave

Replicates that take turns are members of a group, and a worker may keep several. Their numbers are the harness's. It
waits for the answer before it says anything else:

    harness → worker   {"start": {"member": 1, "turn": Turn}}   run it until it parks
    worker → harness   {"parked": Parked}    it is stopped; or {"outcome": Outcome}: it has ended
    harness → worker   {"slice": 1}          let it run one time slice
    worker → harness   {"ran": null}         it is stopped again; or {"outcome": Outcome}
    harness → worker   {"finish": 1}         let it end by itself
    worker → harness   {"outcome": Outcome}
    harness → worker   {"kill": 1}           end it
    worker → harness   {"killed": null}      also when it has ended already

When the connection drops, the worker ends all that it keeps, and the harness records that it lost the worker.
"""

import contextlib
import json
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

LONGEST_BYTES: Final = 128 << 20  # no valid message is longer: a turn with a model has some megabytes
PIECE_BYTES: Final = 1 << 16


class LostError(ConnectionError):
    """The other end is gone, or sent something that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a worker reports about itself."""

    framework: str  # the framework whose turns it takes
    pid: int  # of the worker, in its own PID namespace
    cpus: tuple[int, ...]  # the CPU set it was given
    image: str  # identity of the image it runs in; empty: unknown


class Channel:
    """One end of a connection. Not for two threads at once, except that one may `wait_readable` while another sends."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, kind: str, body: Any = None) -> None:
        """Send one message; raises LostError."""
        line = json.dumps({kind: body}, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            self.socket.sendall(line)
        except OSError as error:
            raise LostError(str(error)) from error

    def receive(self, timeout_s: float | None = None) -> tuple[str, Any]:
        """Return the next message as (kind, body).

        Raises:
            TimeoutError: no whole message came within `timeout_s`.
            LostError: the other end is gone, or sent something that is not a message.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self.unread:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self.wait_readable(left):
                raise TimeoutError
            self.unread += self._piece()
            if len(self.unread) > LONGEST_BYTES:
                raise LostError("a message that does not end")
        line, _, self.unread = self.unread.partition(b"\n")
        return _message(line)

    def expect(self, kind: str, timeout_s: float) -> Mapping[str, Any]:
        """Return the body of the next message, which must be an object of this kind; raises as `receive` does."""
        received, body = self.receive(timeout_s)
        if received != kind or not isinstance(body, dict):
            raise LostError(f"{received!r} instead of {kind!r}")
        return body

    def wait_readable(self, timeout_s: float | None) -> bool:
        """Return whether there is something to receive, the end of the connection included, within `timeout_s`."""
        return bool(self.unread) or bool(select.select([self.socket], [], [], timeout_s)[0])

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _piece(self) -> bytes:
        try:
            piece = self.socket.recv(PIECE_BYTES)
        except OSError as error:
            raise LostError(str(error)) from error
        if not piece:
            raise LostError("the connection was closed")
        return piece


def connect(address: Path) -> Channel:
    """Connect to the harness that listens at `address`; raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return Channel(connection)


def _message(line: bytes) -> tuple[str, Any]:
    try:
        message = json.loads(line)
    except ValueError as error:
        raise LostError(f"not a message: {error}") from error
    if not isinstance(message, dict) or len(message) != 1:
        raise LostError("not a message: not one kind with its body")
    return next(iter(message.items()))
