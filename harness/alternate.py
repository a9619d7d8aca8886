"""Two processes that take turns on the same processors, so that a slow stretch of the machine meets both alike.

On a shared machine a processor may be half as fast for seconds, and fast again. Two processes measured one after the
other then differ by a factor of two; two that are stopped and continued in turn, a quarter of a second each, do not.
A round that is cut in two is an outlier, of which a median of many rounds takes no notice.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.turn import TURN_FILE, last_phase, turn_from_json

SLICE_S: Final = 0.25
LOOK_S: Final = 0.005  # how often to look whether a process has begun its rounds


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    process: Callable[[], psutil.Process | None]  # leads its own process group; None: not started yet, or ended
    is_ready: Callable[[], bool]  # it has begun its rounds

    def send(self, number: signal.Signals) -> None:
        """Stop or continue the process and what it started."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)


def alternate(one: Side, other: Side, ended: Callable[[], bool]) -> None:
    """Let the first that begins its rounds wait for the other, then continue them in turn until one has `ended`."""
    try:
        while not ended() and not (one.is_ready() and other.is_ready()):
            for side in (one, other):
                if side.is_ready():
                    side.send(signal.SIGSTOP)
            time.sleep(LOOK_S)
        for side in _in_turn(one, other):
            if ended():
                break
            side.send(signal.SIGCONT)
            time.sleep(SLICE_S)
            side.send(signal.SIGSTOP)
    finally:
        for side in (one, other):
            side.send(signal.SIGCONT)


def _in_turn(one: Side, other: Side) -> Iterator[Side]:
    while True:
        yield one
        yield other


class Turns:
    """The turn that runs under a process, as a side."""

    def __init__(self, pid: int) -> None:
        self._over = psutil.Process(pid)

    def side(self) -> Side:
        """Return the turn as a side."""
        return Side(process=lambda: self._found()[0], is_ready=lambda: self._phase() == "rounds")

    def _phase(self) -> str:
        folder = self._found()[1]
        return last_phase(folder) if folder else ""

    def _found(self) -> tuple[psutil.Process | None, Path | None]:
        with contextlib.suppress(psutil.Error, OSError):  # it ended while we looked
            for child in self._over.children():
                match child.cmdline()[1:]:
                    case ["-m", "bench", "turn", folder]:
                        if turn_from_json((Path(folder) / TURN_FILE).read_text()).cell.track == "identical":
                            return child, Path(folder)
        return None, None
