"""A cluster that is not there: hosts, losses and stragglers in virtual time, behind the same seam as Slurm.

It shows what a fleet does with a thousand hosts, and it is what the tests have instead of a cluster.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.errors import SelectionError, SetupError
from harness.fleet.attempts import INFRASTRUCTURE
from harness.fleet.request import HostType
from harness.fleet.scheduler import Array, Phase, Place, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host of the cluster."""

    name: str
    host_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A task on a host."""

    array: Array
    index: int
    restart: int
    host: str


class Work(Protocol):
    """What a task does."""

    def begin(self, start: Start) -> None:
        """Begin on a host."""
        ...

    def finish(self, start: Start) -> int:
        """End there, unless the host was lost; return the exit code."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to hosts and tasks."""

    seconds: float = 60.0  # that a task takes
    lost: float = 0.0  # share of the tasks in whose middle the host is lost
    stragglers: float = 0.0  # share of the tasks that take ten times as long
    down_s: float = 600.0  # until a lost host is back
    requeue_exit: bool = True  # the cluster begins a task again that ended with INFRASTRUCTURE


class Simulated:
    """A cluster in virtual time: `sleep` makes it pass, `clock` says it."""

    def __init__(self, hosts: Iterable[Host], work: Work, weather: Weather | None = None, seed: int = 0) -> None:
        self._free: dict[str, deque[Host]] = {}
        self._hosts = tuple(hosts)
        for host in self._hosts:
            self._free.setdefault(host.host_type, deque()).append(host)
        self._work = work
        self._weather = weather or Weather()
        self._rng = random.Random(seed)
        self._now = 0.0
        self._events: list[tuple[float, int, str, object]] = []
        self._serial = itertools.count()
        self._waiting: dict[str, deque[tuple[Array, int, int]]] = {}
        self._states: dict[str, dict[int, State]] = {}
        self._requeue: dict[str, bool] = {}
        self.polls = 0

    def clock(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        end = self._now + seconds
        while self._events and self._events[0][0] <= end:
            self._now, _, kind, what = heapq.heappop(self._events)
            if isinstance(what, Host):
                self._free[what.host_type].append(what)
                self._begin(what.host_type)
            elif isinstance(what, Start):
                self._end(what, is_lost=kind == "lost")
        self._now = end

    def require(self, host_types: Collection[HostType]) -> None:
        """Raise SelectionError for a type that no host has."""
        if missing := [kind.name for kind in host_types if kind.name not in self._free]:
            raise SelectionError(f"No host is a {missing[0]}.")

    def ask(self, host_type: HostType, line: str) -> str | None:
        """Return None: nothing can run on a host that is not there."""
        return None

    def submit(self, array: Array) -> None:
        """Take an array; raises SetupError where all hosts of its type are excluded."""
        kind = array.host_type.name
        if all(host.name in array.excluded for host in self._hosts if host.host_type == kind):
            raise SetupError("No host of that type is left.")
        self._requeue[array.name] = array.requeue
        for index in range(array.count):
            self._wait(array, index, 0)
        self._begin(kind)

    def poll(self, names: Collection[str]) -> Mapping[Place, State]:
        """Return the state of each task of these arrays."""
        self.polls += 1
        return {(name, index): state for name in names for index, state in self._states.get(name, {}).items()}

    def cancel(self, names: Collection[str]) -> None:
        """End what waits; what runs ends without a result."""
        for name in names:
            self._states[name] = {
                index: _state("ended", "CANCELLED") if state.phase != "ended" else state
                for index, state in self._states[name].items()
            }

    def _wait(self, array: Array, index: int, restart: int) -> None:
        self._states.setdefault(array.name, {})[index] = _state("pending", "PENDING", reason="Resources")
        self._waiting.setdefault(array.host_type.name, deque()).append((array, index, restart))

    def _begin(self, kind: str) -> None:
        """Give the free hosts of a type to what waits, in its order."""
        waiting, free = self._waiting.get(kind, deque()), self._free.get(kind, deque())
        for _ in range(len(waiting)):
            array, index, restart = waiting[0]
            if self._states[array.name][index].phase != "pending":  # it was cancelled
                waiting.popleft()
                continue
            host = next((host for host in free if host.name not in array.excluded), None)
            if host is None:
                return
            waiting.popleft()
            free.remove(host)
            start = Start(array=array, index=index, restart=restart, host=host.name)
            self._states[array.name][index] = _state("running", "RUNNING", host=host.name)
            self._work.begin(start)
            slow = 10 if self._rng.random() < self._weather.stragglers else 1
            seconds = self._weather.seconds * slow * self._rng.uniform(0.8, 1.2)
            is_lost = self._rng.random() < self._weather.lost
            self._at(seconds / 2 if is_lost else seconds, "lost" if is_lost else "end", start)
            self._at(seconds / 2 + self._weather.down_s if is_lost else seconds, "free", host)

    def _end(self, start: Start, *, is_lost: bool) -> None:
        states = self._states[start.array.name]
        if states[start.index].phase != "running":  # it was cancelled
            return
        code = INFRASTRUCTURE if is_lost else self._work.finish(start)
        again = is_lost or (code == INFRASTRUCTURE and self._weather.requeue_exit)
        if again and start.array.requeue:
            self._wait(start.array, start.index, start.restart + 1)
            return
        word = "NODE_FAIL" if is_lost else "COMPLETED" if code == 0 else "FAILED"
        states[start.index] = _state("ended", word, host=start.host)

    def _at(self, seconds: float, kind: str, what: object) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._serial), kind, what))


def _state(phase: Phase, word: str, *, host: str = "", reason: str = "") -> State:
    return State(phase=phase, word=word, host=host, reason=reason)
