"""A strategy as the protocol sees it: a framework whose step is that of all ranks.

In one process with a device for each rank this only compares the copies of the parameters.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.interface import Framework, Output, Skip
from bench.parallel import ParallelStep, World
from bench.protocol.required import InvalidResultError
from bench.records.record import Allocator, Cell
from bench.reference.workload import Array64, Workload, sha256
from bench.turns import prepare
from bench.turns.turn import Turn

Parameters = Mapping[str, NDArray[np.float32]]


def framework_of(turn: Turn) -> Framework:
    """Import the framework's module; of a cell with ranks its strategies, as one framework."""
    return Led(turn) if turn.cell.ranks else prepare.framework_of(turn.cell)


def strategies_of(cell: Cell) -> Any:
    """Import the module with the strategies of a cell with ranks."""
    return importlib.import_module(f"bench.parallel.{cell.framework}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedStep(ParallelStep):
    """The step of all ranks: what it returns is rank 0's, and the others do the same meanwhile."""

    rows: int  # of the global batch
    digests: Callable[[], Sequence[str]]  # SHA-256 of each rank's parameters when these were last read


class Led:
    """Satisfies `bench.interface.Framework` for the cell of a turn with ranks."""

    def __init__(self, turn: Turn) -> None:
        """Import the strategies of the turn's framework."""
        self._turn = turn
        self._module = strategies_of(turn.cell)
        self._digests: tuple[str, ...] = ()
        self.MODES: Mapping[str, str] = self._module.STRATEGIES
        self.ENVIRONMENT: Mapping[str, str] = {}
        self.FORWARD: Mapping[str, Any] = self._module.FORWARD
        self.ADAM: str = self._module.ADAM

    def start(self, device: str, threads: int) -> None:
        """Start the framework."""
        self._module.start(device, threads)

    def build(self, workload: Workload, mode: str, precision: str) -> LedStep | Skip:
        """Return the step of all ranks."""
        cell = self._turn.cell
        rows = len(workload.batch.x)
        if rows % cell.ranks:
            return Skip(f"the {workload.name} {workload.size} has {rows} rows, which {cell.ranks} ranks cannot share")
        world = World(size=cell.ranks, scaling=cell.scaling)
        own: ParallelStep | Skip = self._module.build(workload, mode, precision, world)
        if isinstance(own, Skip):
            return own
        given = {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}
        return LedStep(
            **{**given, "parameters": lambda: self._parameters(own)}, rows=rows, digests=lambda: self._digests
        )

    def _parameters(self, own: ParallelStep) -> Parameters:
        """Return the parameters; raises InvalidResultError where the ranks have different ones."""
        copies = own.copies() if own.copies else [own.parameters()]
        self._digests = tuple(map(sha256, copies))
        require_same(self._digests)
        return copies[0]

    def wait(self, outputs: Sequence[Output]) -> None:
        """Wait for the device."""
        self._module.wait(outputs)

    def to_numpy(self, outputs: Sequence[Output]) -> Array64:
        """Return the losses, shape (steps,)."""
        return cast("Array64", self._module.to_numpy(outputs))

    def memory(self) -> Allocator:
        """Return the statistics of rank 0's allocator."""
        return cast("Allocator", self._module.memory())

    def empty_cache(self) -> bool:
        """Empty the cache of rank 0's allocator."""
        return bool(self._module.empty_cache())

    def versions(self) -> Sequence[str]:
        """Return the versions of the libraries."""
        return cast("Sequence[str]", self._module.versions())


def require_same(digests: Sequence[str]) -> None:
    """Raise InvalidResultError unless all ranks have the same parameters, to the last bit."""
    others = [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]
    if others:
        which = f"rank {others[0]} has" if len(others) == 1 else f"ranks {', '.join(others)} have"
        raise InvalidResultError(f"{which} other parameters than rank 0: the ranks are not kept the same")
