"""Cells → a seeded, blocked order. Pure: the same cells, blocks and seed give the same plan on every host.

A block holds every cell once, in random order; replicate k of every cell is in block k. A drift of the machine then
affects all cells alike, and comparisons can be paired by block. Hello worlds (each the cold start of a whole program),
the turns that measure limits, and the replicates for memory and energy may be left out of the later blocks. A drift
probe runs before each block and after the last.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.catalogue import COLD, CONTROL, DRIFT_PROBE, EXPORT, LIMITS, STREAM
from bench.records.record import Cell, Record

PURPOSES: Final[Mapping[str, str]] = {  # of the tracks whose turns are counted separately from the cells
    LIMITS: "limits",
    CONTROL: "A/A control",
    DRIFT_PROBE: "drift probes",
    "memory": "memory",
    "energy": "energy",
    COLD: "cold starts",
}
COUNTED: Final = ("identical", "idiomatic", STREAM)  # the tracks of what was selected


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReplicate:
    """One replicate of the plan."""

    position: int  # from 1
    block: int  # from 1
    cell: Cell
    hash_seed: int  # PYTHONHASHSEED of its process, different for every replicate
    attempt: int = 1  # 2: run once more, because the first was invalid

    def again(self) -> "PlannedReplicate":
        """Return the second attempt: the same replicate, in a process with another hash seed."""
        return replace(self, attempt=2, hash_seed=random.Random(f"{self.hash_seed}/2").randrange(1, 2**32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The cells of a run and their order; `plan.json` holds it."""

    seed: int
    cells: tuple[Cell, ...]
    order: tuple[tuple[int, ...], ...]  # for each block, indices into `cells`
    hello_blocks: int | None = None  # blocks that hold the hello worlds; None: all
    limits_blocks: int | None = None  # blocks that measure limits; None: all
    looks: tuple[int, ...] = ()  # interim analyses: blocks after which the run may end if its intervals are narrow
    memory_blocks: int | None = None  # blocks with memory replicates; None: all
    energy_blocks: int | None = None  # blocks with energy replicates; None: all

    @property
    def blocks(self) -> int:
        """Replicates of each cell."""
        return len(self.order)

    @property
    def replicates(self) -> int:
        """Replicates of all cells together."""
        return sum(len(block) for block in self.order) + len(self._drift_probes())

    def __str__(self) -> str:
        """Return the number of cells, blocks, turns and replicates in one line."""
        turns: Counter[str] = Counter(planned.cell.track for planned in self.in_order())
        cells = [cell for cell in self.cells if cell.track in COUNTED]
        has_fewer_hellos = sum(turns[track] for track in COUNTED) < len(cells) * self.blocks
        hellos = f" (hello worlds in {self.hello_blocks} of them)" if has_fewer_hellos else ""
        blocks = f"{'up to ' if self.looks else ''}{_count(self.blocks, 'block')}"
        sizes = [f"{_count(len(cells), 'cell')} × {blocks}{hellos}"] if cells else []
        sizes += [
            f"{_count(turns[track], 'turn')} for {purpose}" for track, purpose in PURPOSES.items() if turns[track]
        ]
        return f"{' + '.join(sizes)} = {_count(self.replicates, 'replicate')}, seed {self.seed}"

    def in_blocks(self) -> Iterator[tuple[PlannedReplicate, ...]]:
        """Yield the replicates of each block in the order in which they run."""
        for _, replicates in itertools.groupby(self.in_order(), key=lambda planned: planned.block):
            yield tuple(replicates)

    def in_order(self) -> Iterator[PlannedReplicate]:
        """Yield the replicates in the order in which they run."""
        closing = self._drift_probes()
        in_order = [(number, index) for number, block in enumerate(self.order, start=1) for index in block]
        in_order += [(self.blocks + 1, index) for index in closing]
        for position, (number, index) in enumerate(in_order, start=1):
            hash_seed = random.Random(f"{self.seed}/{position}").randrange(1, 2**32)
            yield PlannedReplicate(position=position, block=number, cell=self.cells[index], hash_seed=hash_seed)

    def _drift_probes(self) -> list[int]:
        return [index for index, cell in enumerate(self.cells) if cell.track == DRIFT_PROBE]


def is_planned(record: Record) -> bool:
    """Return whether this record is of a planned replicate: second attempts and exports are not."""
    return record.attempt == 1 and record.cell.track != EXPORT


def make_plan(
    cells: tuple[Cell, ...],
    *,
    blocks: int,
    seed: int,
    hello_blocks: int | None = None,
    limits_blocks: int | None = None,
    interim_analyses: tuple[int, ...] = (),
    memory_blocks: int | None = None,
    energy_blocks: int | None = None,
    cold_blocks: int | None = 1,
) -> Plan:
    """Return a plan in which each of `blocks` blocks holds every cell once, in random order.

    Args:
        cells: in any order; the drift probe, if there is one, opens each block.
        blocks: how many.
        seed: of the order.
        hello_blocks: how many of the first blocks hold the hello worlds; None, or nothing but hello worlds to run: all.
        limits_blocks: the same for the turns that measure limits.
        interim_analyses: blocks after which the run may end.
        memory_blocks: as `limits_blocks`, for the replicates for memory.
        energy_blocks: as `limits_blocks`, for the replicates for energy.
        cold_blocks: as `limits_blocks`, for the cold starts on an emptied page cache.
    """
    rng = random.Random(seed)
    drift_probes = [index for index, cell in enumerate(cells) if cell.track == DRIFT_PROBE]
    others = [index for index in range(len(cells)) if index not in drift_probes]
    blocks_of: Mapping[str, int | None] = {
        "idiomatic": hello_blocks,
        LIMITS: limits_blocks,
        "memory": memory_blocks,
        "energy": energy_blocks,
        COLD: cold_blocks,
    }
    if all(cell.track == "idiomatic" for cell in cells):
        blocks_of = {}

    def is_in(cell: Cell, number: int) -> bool:
        last = blocks_of.get(cell.track)
        return last is None or number <= last

    def block(number: int) -> tuple[int, ...]:
        shuffled = rng.sample(others, len(others))
        return (*drift_probes, *(index for index in shuffled if is_in(cells[index], number)))

    return Plan(
        seed=seed,
        cells=cells,
        order=tuple(block(number) for number in range(1, blocks + 1)),
        hello_blocks=hello_blocks,
        limits_blocks=limits_blocks,
        looks=interim_analyses,
        memory_blocks=memory_blocks,
        energy_blocks=energy_blocks,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
