"""Data-parallel steps: one file for each framework that has strategies, listed nowhere else.

A file opens with literals, which `bench.catalogue` reads without importing it:

    STRATEGIES = {"ddp": "one sentence", …}   in the order of the tables; no name of a mode
    PROCESSES = ("ddp", …)                    those with a process for each rank; the others have a device for each
                                              rank, all in one process
    COMPARED = {"ddp": "eager", …}            the framework's plain mode that each is held beside
    ENVIRONMENT = {"NAME": "value", …}        only for variables besides the framework's own, or other values of these;
                                              "{ranks}" is filled in as well as "{threads}" and "{scratch}"
    DEVICES = ("cpu",)                        only where not all of the framework's

It stands in for the module under `bench/frameworks` for cells with ranks. So it has all of `bench.interface.Framework`
(mostly by re-export: ADAM, FORWARD, start, wait, to_numpy, memory, empty_cache, versions), with the `build` of
`Strategies`.

    one process      `start` splits the device into as many as the cell has ranks, `build` is called once, as rank 0
    processes        each rank imports the file, starts and builds for itself (`bench.parallel.lead`); the calls of a
                     round need no word between them, since the collectives keep them in step

Between time slices all processes of a replicate are stopped for minutes. So no heartbeat of a library may take such a
process for dead, and no timeout may count that time.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.interface import Output, Skip, Step
from bench.reference.inputs import Resident
from bench.reference.workload import Workload

Array = TypeVar("Array", bound=NDArray[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Which rank this is, of how many."""

    rank: int = 0  # from 0; in one process with a device for each rank always 0
    size: int  # ranks
    scaling: str = ""  # "strong" or "weak", as in Cell; the workload's batch is the global one in both
    address: str = ""  # "127.0.0.1:port" where rank 0 may listen; empty: one process

    def shard(self, array: Array) -> Array:
        """Return this rank's rows of a global batch (rows, …): the rank-th of `size` equal parts, in their order."""
        rows = len(array) // self.size
        return array[self.rank * rows : (self.rank + 1) * rows]  # type: ignore[return-value]  # a view of the same kind

    def share(self, workload: Workload) -> Workload:
        """Return `workload` with this rank's rows of its batch."""
        x, y = workload.batch
        return dataclasses.replace(workload, inputs=Resident(x=self.shard(x), y=self.shard(y)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Collectives:
    """What a framework says of the exchange of a step, read back from it."""

    backend: str  # that exchanges: "gloo", "nccl", "XLA"; empty: it does not say
    ranks: int | None = None  # among which it exchanges, as it says; None: it does not say
    operations: tuple[str, ...] = ()  # names, each once, such as "all-reduce"
    count: int | None = None  # collectives of a step; None: not readable
    bytes: int | None = None  # reduced or gathered in a step, of each rank; None: not readable
    why: str = ""  # one sentence: why one of these is missing; empty: none is
    evidence: str = ""  # one sentence: where this was read


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelStep(Step):
    """The step of one rank; with a device for each rank, of them all.

    What `call` returns is the rank's own mean loss: the mean over the ranks is taken outside of the timed rounds. In
    one process it is the mean of the global batch. `parameters` are whole in every rank, gathered where they are
    sharded: all ranks call it at the same time. `gradient` is what the exchange makes of the ranks' gradients, the
    mean: Adam does not notice a sum in its place, so without it there is no proof. All ranks call it, and `reset` and
    `collectives`, at the same time; `collectives` may make a step.
    """

    collectives: Callable[[], Collectives]
    unsynchronised: Callable[[], Output] | None = None  # the same call with the exchange left out; None: there is none
    unsynchronised_why: str = ""  # one sentence: why; empty: there is
    # Of one process: the parameters as each device has them, in the order of the ranks. None: it has one copy.
    copies: Callable[[], Sequence[Mapping[str, NDArray[np.float32]]]] | None = None
    devices: Callable[[], Sequence[str]] = lambda: ()  # of one process: the device of each rank, as the framework says


class Strategies(Protocol):
    """What `bench.parallel.lead` needs from a module under `bench/parallel` in addition to `Framework`."""

    STRATEGIES: Mapping[str, str]
    FORWARD: Mapping[str, Any]
    ADAM: str

    def build(self, workload: Workload, mode: str, precision: str, world: World) -> ParallelStep | Skip:
        """Return `workload`, whose batch is the global one, in the strategy `mode`, at its initial parameters.

        Whether it is a `Skip` is decided before the ranks meet: it is the same in all. The rows can be divided.
        """
        ...
