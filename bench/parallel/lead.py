"""A strategy as the protocol sees it: a framework whose step is that of all ranks.

In one process with a device for each rank, only the copies of the parameters are compared. With a process for each rank
this one is rank 0, and whatever it does the others are told to do as well: a collective waits for all of them.
"""

import dataclasses
import errno
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from bench.catalogue import strategy_offer
from bench.interface import Framework, Output, Skip
from bench.parallel import Collectives, ParallelStep, World
from bench.parallel.group import Group
from bench.parallel.messages import Report
from bench.parallel.strategies import strategies_of
from bench.protocol.required import InvalidResultError
from bench.records import codec
from bench.records.record import Allocator
from bench.reference.workload import Array64, Workload, sha256
from bench.turns import prepare
from bench.turns.turn import Turn

ATTEMPTS: Final = 3  # at a rendezvous: another program may take the port before rank 0 listens there
LOOPBACK: Final = "127.0.0.1"
TAKEN: Final = ("address already in use", "eaddrinuse")  # in the words of the libraries

Parameters = Mapping[str, NDArray[np.float32]]
R = TypeVar("R")


def framework_of(turn: Turn) -> Framework:
    """Import the framework's module; of a cell with ranks its strategies, as one framework."""
    return Led(turn) if turn.cell.ranks else prepare.framework_of(turn.cell)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedStep(ParallelStep):
    """The step of all ranks: what it returns is rank 0's, and the others do the same meanwhile."""

    rows: int  # of the global batch
    group: Group | None  # None: one process
    start_ns: int | None  # from the start of the followers until all are ready to build; None: there are none
    digests: Callable[[], Sequence[str]]  # SHA-256 of each rank's parameters when these were last read

    def run(self, calls: int) -> Sequence[Output]:
        """Let all ranks make `calls` calls, at the cost of one word to each; return rank 0's outputs."""
        if self.group is None:
            return ParallelStep.run(self, calls)
        self.group.tell("run", calls, "ran")
        with self.group.noticing():
            return ParallelStep.run(self, calls)

    def run_unsynchronised(self, calls: int) -> Sequence[Output]:
        """Let all ranks make `calls` calls without the exchange; return rank 0's outputs."""
        assert self.unsynchronised
        call = self.unsynchronised
        if self.group:
            self.group.tell("unsynchronised", calls)
        return [call() for _ in range(calls)]

    def exchange(self) -> Collectives:
        """Return what the framework says of the exchange; it may make a step, which all ranks then make."""
        if self.group is None:
            return self.collectives()
        self.group.tell("collectives")
        with self.group.noticing():
            found = self.collectives()
        self.group.hear()
        return found

    def reports(self) -> list[Report]:
        """Return what the other ranks say of themselves."""
        if self.group is None:
            return []
        self.group.tell("report")
        return [codec.decode(Report, body) for body in self.group.hear()]


class Led:
    """Satisfies `bench.interface.Framework` for the cell of a turn with ranks."""

    def __init__(self, turn: Turn) -> None:
        """Start the other ranks, where they are processes, and import the strategies of the turn's framework."""
        self._turn = turn
        self._in_processes = strategy_offer(turn.cell).in_processes
        self._group = self._followers()
        self._start_ns: int | None = None
        self._digests: tuple[str, ...] = ()
        self._module = strategies_of(turn.cell)
        self.MODES: Mapping[str, str] = self._module.STRATEGIES
        self.ENVIRONMENT: Mapping[str, str] = {}
        self.FORWARD: Mapping[str, Any] = self._module.FORWARD
        self.ADAM: str = self._module.ADAM

    def start(self, device: str, threads: int) -> None:
        """Start the framework in all ranks; raises FollowerError where one does not."""
        self._module.start(device, threads)
        if self._group:
            self._group.settle()
            self._start_ns = time.perf_counter_ns() - self._group.begin_ns

    def build(self, workload: Workload, mode: str, precision: str) -> LedStep | Skip:
        """Return the step of all ranks; another port is tried where a program took the one of the rendezvous."""
        cell = self._turn.cell
        rows = len(workload.batch.x)
        if rows % cell.ranks:
            return Skip(f"the {workload.name} {workload.size} has {rows} rows, which {cell.ranks} ranks cannot share")
        for attempt in range(1, ATTEMPTS + 1):
            address = free_address() if self._in_processes else ""
            world = World(size=cell.ranks, scaling=cell.scaling, address=address)
            try:
                own = self._built(lambda: self._module.build(workload, mode, precision, world), address)  # noqa: B023
            except Exception as error:
                if attempt == ATTEMPTS or not is_taken(error):
                    raise
                self._again()
                continue
            break
        return own if isinstance(own, Skip) else self._led(own, rows)

    def _followers(self) -> Group | None:
        return Group(self._turn) if self._in_processes and self._turn.cell.ranks > 1 else None

    def _again(self) -> None:
        """Start the other ranks anew: they wait at a rendezvous to which nobody comes."""
        if self._group:
            self._group.end()
            self._group = self._followers()
            assert self._group
            self._group.settle()

    def _built(self, build: Callable[[], ParallelStep | Skip], address: str) -> ParallelStep | Skip:
        group = self._group
        if group is None:
            return build()
        group.tell("build", address, "built")
        try:
            with group.noticing():
                own = build()
        except Exception as error:
            if is_taken(error.__cause__ or error):
                raise (error.__cause__ or error) from None
            raise
        if isinstance(own, Skip):
            group.end()
            return own
        group.hear()
        return own

    def _led(self, own: ParallelStep, rows: int) -> LedStep:
        given = {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}
        gradient = own.gradient
        given |= {
            "reset": lambda: self._all("reset", own.reset),
            "parameters": lambda: self._parameters(own),
            "gradient": (lambda: self._all("gradient", gradient)) if gradient else None,
        }
        return LedStep(**given, rows=rows, group=self._group, start_ns=self._start_ns, digests=lambda: self._digests)

    def _all(self, word: str, act: Callable[[], R]) -> R:
        """Let all ranks do it; return what rank 0 got."""
        group = self._group
        if group is None:
            return act()
        group.tell(word)
        with group.noticing():
            done = act()
        group.hear()
        return done

    def _parameters(self, own: ParallelStep) -> Parameters:
        """Return the parameters; raises InvalidResultError where the ranks have different ones."""
        group = self._group
        if group is None:
            copies = own.copies() if own.copies else [own.parameters()]
            self._digests = tuple(map(sha256, copies))
            require_same(self._digests)
            return copies[0]
        group.tell("parameters")
        with group.noticing():
            parameters = own.parameters()
        self._digests = (sha256(parameters), *map(str, group.hear()))
        require_same(self._digests)
        return parameters

    def wait(self, outputs: Sequence[Output]) -> None:
        """Wait for rank 0's device; without outputs, as between two rounds, for all ranks."""
        if self._group is None:
            self._module.wait(outputs)
            return
        if not outputs:
            self._group.settle()
        with self._group.noticing():
            self._module.wait(outputs)

    def to_numpy(self, outputs: Sequence[Output]) -> Array64:
        """Return the losses of the last round, shape (steps,): the mean over the ranks."""
        own = cast("Array64", self._module.to_numpy(outputs))
        if self._group is None:
            return own
        self._group.tell("losses")
        mean: Array64 = np.mean([own, *map(np.asarray, self._group.hear())], axis=0, dtype=np.float64)
        return mean

    def memory(self) -> Allocator:
        """Return the statistics of rank 0's allocator."""
        return cast("Allocator", self._module.memory())

    def empty_cache(self) -> bool:
        """Empty the cache of rank 0's allocator."""
        return bool(self._module.empty_cache())

    def versions(self) -> Sequence[str]:
        """Return the versions of the libraries."""
        return cast("Sequence[str]", self._module.versions())


def free_address() -> str:
    """Return an address of the loopback at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return f"{LOOPBACK}:{probe.getsockname()[1]}"


def is_taken(error: BaseException) -> bool:
    """Return whether `error` says that another program listens at the address already."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return True
    text = str(error).lower()
    return any(words in text for words in (*TAKEN, os.strerror(errno.EADDRINUSE).lower()))


def require_same(digests: Sequence[str]) -> None:
    """Raise InvalidResultError unless all ranks have the same parameters, to the last bit."""
    others = [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]
    if others:
        which = f"rank {others[0]} has" if len(others) == 1 else f"ranks {', '.join(others)} have"
        raise InvalidResultError(f"{which} other parameters than rank 0: the ranks are not kept the same")
