"""Cells → a seeded, blocked order. Pure: the same cells, blocks and seed give the same plan on every host.

A block holds every cell once, in random order; replicate k of every cell is in block k. A drift of the machine then
meets all cells alike, and comparisons can be paired by block. Hello worlds, each a whole program's cold start, the
turns that measure limits, and the replicates for memory and energy may be left out of the later blocks.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.catalogue import LIMITS
from bench.record import Cell

ASIDE: Final = (LIMITS, "memory", "energy")  # tracks whose turns are told apart from those that are timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One replicate of the plan."""

    position: int  # from 1
    block: int  # from 1
    cell: Cell
    hash_seed: int  # PYTHONHASHSEED of its process, different for every replicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole order; `plan.json` holds it."""

    seed: int
    cells: tuple[Cell, ...]
    order: tuple[tuple[int, ...], ...]  # for each block, indices into `cells`
    hello_blocks: int | None = None  # blocks that hold the hello worlds; None: all
    limits_blocks: int | None = None  # blocks that measure limits; None: all
    memory_blocks: int | None = None  # blocks with memory replicates; None: all
    energy_blocks: int | None = None  # blocks with energy replicates; None: all

    @property
    def blocks(self) -> int:
        """Replicates of each cell."""
        return len(self.order)

    @property
    def replicates(self) -> int:
        """Replicates of all cells together."""
        return sum(len(block) for block in self.order)

    def __str__(self) -> str:
        """Say how much it is, in one line."""
        turns = {track: self._turns(track) for track in ASIDE}
        timed = self.replicates - sum(turns.values())
        cells = sum(cell.track not in ASIDE for cell in self.cells)
        short = f" (hello worlds in {self.hello_blocks} of them)" if timed < cells * self.blocks else ""
        sizes = [f"{_count(cells, 'cell')} × {_count(self.blocks, 'block')}{short}"] if cells else []
        sizes += [f"{_count(count, 'turn')} for {track}" for track, count in turns.items() if count]
        return f"{' + '.join(sizes)} = {_count(self.replicates, 'replicate')}, seed {self.seed}"

    def _turns(self, track: str) -> int:
        return sum(self.cells[index].track == track for block in self.order for index in block)

    def places(self) -> Iterator[Place]:
        """Yield the replicates in the order in which they run."""
        position = 0
        for number, block in enumerate(self.order, start=1):
            for index in block:
                position += 1
                hash_seed = random.Random(f"{self.seed}/{position}").randrange(1, 2**32)
                yield Place(position=position, block=number, cell=self.cells[index], hash_seed=hash_seed)


def make_plan(
    cells: tuple[Cell, ...],
    blocks: int,
    seed: int,
    hello_blocks: int | None = None,
    limits_blocks: int | None = None,
    memory_blocks: int | None = None,
    energy_blocks: int | None = None,
) -> Plan:
    """Return a plan in which each of `blocks` blocks holds every cell once, in random order.

    Of the blocks after the first `hello_blocks` the hello worlds are left out, where there is anything else to run; of
    those after the first `limits_blocks` the turns that measure limits, and likewise those for memory and for energy.
    """
    rng = random.Random(seed)
    blocks_of: Mapping[str, int | None] = {
        "idiomatic": hello_blocks,
        LIMITS: limits_blocks,
        "memory": memory_blocks,
        "energy": energy_blocks,
    }
    if all(cell.track == "idiomatic" for cell in cells):
        blocks_of = {}

    def is_in(cell: Cell, number: int) -> bool:
        last = blocks_of.get(cell.track)
        return last is None or number <= last

    def block(number: int) -> tuple[int, ...]:
        everything = rng.sample(range(len(cells)), len(cells))
        return tuple(index for index in everything if is_in(cells[index], number))

    return Plan(
        seed=seed,
        cells=cells,
        order=tuple(block(number) for number in range(1, blocks + 1)),
        hello_blocks=hello_blocks,
        limits_blocks=limits_blocks,
        memory_blocks=memory_blocks,
        energy_blocks=energy_blocks,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
