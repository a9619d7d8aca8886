"""A replicate that takes turns: what its process and the process that keeps it say to each other. Stdlib only.

    process → keeper   {"parked": Parked}    once, after the warm-up: it waits
    keeper → process   {"slice": null}       run one time slice of rounds
    process → keeper   {"ran": null}         the slice is over, it waits again
    keeper → process   {"finish": null}      no further slice: check, write the record, end

The keeper, which started the process, stops it (SIGSTOP) whenever it waits: a framework's idle threads may spin, and a
blocked read of one thread does not stop the others. It ends with the keeper (`bench.turns.prepare`).
"""

import dataclasses
import os
import socket
import time
from dataclasses import dataclass
from typing import Final

from bench.turns.channel import Channel

DESCRIPTOR: Final = "SAMESTEP_KEEPER"  # variable: number of the inherited socket
PARENT: Final = "SAMESTEP_PARENT"  # variable: PID of the process that started this one
SLICE_NS: Final = 50_000_000  # a time slice lasts about so long, and always whole rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """What a process says when it parks for the first time."""

    slice_ns: int  # how long one of its slices will take
    resident_bytes: int  # memory that it holds


class KeeperError(Exception):
    """The keeper is gone, or said something unknown."""


class Keeper:
    """The process's end of the connection; `parked_ns` counts how long it waited."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.parked_ns = 0

    @staticmethod
    def inherited() -> "Keeper":
        """Return the keeper that started this process; raises KeyError where it was started by none."""
        number = int(os.environ.pop(DESCRIPTOR))
        os.set_inheritable(number, False)
        return Keeper(Channel(socket.socket(fileno=number)))

    def park(self, parked: Parked) -> bool:
        """Wait for the first slice; return whether there is one. Raises KeeperError."""
        return self._wait("parked", dataclasses.asdict(parked))

    def end_slice(self) -> bool:
        """Wait for the next slice; return whether there is one. Raises KeeperError."""
        return self._wait("ran", None)

    def _wait(self, kind: str, body: object) -> bool:
        begin = time.perf_counter_ns()
        try:
            self._channel.send(kind, body)
            answer, _ = self._channel.receive()
        except ConnectionError as error:
            raise KeeperError(f"the process that keeps this one is gone: {error}") from error
        self.parked_ns += time.perf_counter_ns() - begin
        if answer not in ("slice", "finish"):
            raise KeeperError(f"unknown message {answer!r}")
        return answer == "slice"
