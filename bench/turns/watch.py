"""What a worker looks after while a turn runs: its phase and the connection. Standard library only."""

import contextlib
import os
import select
import signal
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.turns.channel import Channel, LostError
from bench.turns.turn import last_phase

PHASE_EVERY_S: Final = 0.1  # between two reads of the phase: the sampler looks as often; a read takes some 30 µs


class PhaseWatch:
    """Sends the phase of a running turn to the harness, and kills the turn when the connection drops."""

    def __init__(self, channel: Channel, folder: Path, every_s: float = PHASE_EVERY_S, *, pid: int = 0) -> None:
        """Watch a turn in `folder`; `pid`: of its process, where that has been started."""
        self.channel = channel
        self.folder = folder
        self.every_s = every_s
        self.lost = False
        self._pid = pid
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
