"""From a plan to tasks: whole blocks of one workload, with all frameworks, so that every ratio is made on one host."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Cell
from harness.fleet.request import HostType
from harness.plan import companions, planner
from harness.plan.plan import COUNTED
from harness.plan.planner import Planned
from harness.plan.request import Request

LEAST_BLOCKS: Final = max(companions.CONTROL_FEWEST_BLOCKS, companions.PROBE_FEWEST_BLOCKS)  # of a task


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one host runs in one go: a run of its own."""

    number: int  # from 1, over all types
    host_type: str
    workload: str
    blocks: int
    seed: int
    cells: int  # that were selected
    replicates: int  # planned, with all companions

    def __str__(self) -> str:
        """Return its number and what it measures."""
        blocks = "1 block" if self.blocks == 1 else f"{self.blocks} blocks"
        return f"{self.number:05} {self.host_type} {self.workload}, {blocks}"


def tasks(planned: Planned, requested: Request, host_types: Sequence[HostType], blocks: int) -> Iterator[Task]:
    """Yield the tasks in the order of their numbers.

    Each type of hosts measures the whole selection. The `blocks` of a workload are split evenly into the tasks of the
    type, into fewer where one would have a single block: without an A/A control and a drift probe before and after.

    Args:
        planned: the whole run.
        requested: what it was planned from.
        host_types: each gets all of it.
        blocks: of each cell.
    """
    by_workload: dict[str, list[Cell]] = {}
    for cell in planned.plan.cells:
        if cell.track in COUNTED:
            by_workload.setdefault(cell.workload, []).append(cell)
    number = 0
    for of_type in host_types:
        for workload, cells in by_workload.items():
            sizes: dict[int, int] = {}
            for count in even(blocks, of_type.tasks):
                if count not in sizes:
                    sizes[count] = planner.share(planned, requested, tuple(cells), count, 0).replicates
                number += 1
                yield Task(
                    number=number,
                    host_type=of_type.name,
                    workload=workload,
                    blocks=count,
                    seed=random.Random(f"{planned.plan.seed}/{of_type.name}/{number}").randrange(2**31),
                    cells=len(cells),
                    replicates=sizes[count],
                )


def even(whole: int, parts: int) -> Iterable[int]:
    """Return `whole` in at most `parts` parts that differ by one at most, none of them smaller than `LEAST_BLOCKS`."""
    parts = max(1, min(whole // LEAST_BLOCKS, parts))
    return [whole // parts + (part < whole % parts) for part in range(parts)]
