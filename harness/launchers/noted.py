"""What the harness learns of a replicate that a worker of `docker compose up` runs: its phases, and perhaps its PID.

The phases come as messages and go into a file, where the sampler reads them. The kernel tells the PID of who connects
to a socket (SO_PEERCRED of unix(7)), as the harness sees it: 0 in another PID namespace. With `pid: host` the harness
sees the worker, and so its newest child, which is the replicate.
"""

import contextlib
import shutil
import socket
import struct
import tempfile
from pathlib import Path
from typing import Final

import psutil

from bench.turns.turn import PHASE_FILE
from harness.host import pids
from harness.launchers.base import OnStart

CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid


def peer(connection: socket.socket, inner_pid: int, proc: str = pids.PROC) -> int | None:
    """Return the PID of the process at the other end as this one sees it; None: it cannot.

    `inner_pid`: its PID in its own namespace, as it says.
    """
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    except OSError:
        return None
    pid = int(CREDENTIALS.unpack(packed)[0])
    return pid if pid > 0 and pids.inner(pid, proc) == inner_pid else None


class Noted:
    """Phases and PID of one replicate, for `on_start`. Close it when the replicate has ended."""

    def __init__(self, on_start: OnStart, worker: int | None) -> None:
        """Make the folder; `worker`: the worker's PID, whose children so far are not the replicate."""
        self._on_start = on_start
        self._worker = worker
        self._before = _children(worker)
        self._folder = Path(tempfile.mkdtemp(prefix="samestep-phase-"))
        self._pid = 0
        on_start(self._pid, self._folder)

    def note(self, phase: str) -> None:
        """Take note of the phase that the replicate is in."""
        with contextlib.suppress(OSError):
            (self._folder / PHASE_FILE).write_text(phase, encoding="utf-8")
        if not self._pid and (new := sorted(_children(self._worker) - self._before)):
            self._pid = new[-1]
            self._on_start(self._pid, self._folder)

    def close(self) -> None:
        """Remove the folder; safe to call twice."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _children(pid: int | None) -> set[int]:
    if pid is None:
        return set()
    try:
        return {child.pid for child in psutil.Process(pid).children()}
    except psutil.Error:
        return set()
