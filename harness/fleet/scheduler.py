"""The seam between a fleet and what gives it hosts: submit an array of tasks, ask for their states, cancel them.

Before that an idle host of each type is asked what it sees, where there is one.

A scheduler knows an array by the name that we gave it, not by a number of its own. So nothing is lost when we are
killed between its answer and our note of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness.fleet.request import HostType

Place = tuple[str, int]  # the name of an array, and the index of one of its tasks, from 0
Phase = Literal["pending", "running", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Tasks for hosts of one type, one whole host for each."""

    name: str  # unique
    script: Path  # that each of them runs, with its index in the array as the scheduler tells it
    arguments: tuple[str, ...] = ()  # of the script
    count: int  # of tasks
    host_type: HostType
    excluded: tuple[str, ...] = ()  # hosts that get none
    time_limit_min: int
    requeue: bool = False  # the scheduler begins a task again whose host it lost, or which asked for it
    logs: Path  # folder of what they print


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the scheduler says of one task."""

    phase: Phase
    word: str  # in its own words, such as "NODE_FAIL"
    host: str = ""  # empty: it has none yet
    reason: str = ""  # why it waits or ended, in the scheduler's words; empty: none


class Scheduler(Protocol):
    """What gives hosts to tasks."""

    def require(self, host_types: Collection[HostType]) -> None:
        """Raise SetupError where there is no such scheduler here, SelectionError where it has no such hosts."""
        ...

    def ask(self, host_type: HostType, line: str) -> str | None:
        """Return what a line of a shell prints on a host of a type that is idle now; None: it ran on none."""
        ...

    def submit(self, array: Array) -> None:
        """Hand over an array; raises SetupError when it is refused."""
        ...

    def poll(self, names: Collection[str]) -> Mapping[Place, State]:
        """Return the state of each task of these arrays, in one question; one that it has forgotten is not there."""
        ...

    def cancel(self, names: Collection[str]) -> None:
        """End these arrays' tasks; raises SetupError."""
        ...
