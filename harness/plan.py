"""Cells → a seeded, blocked order. Pure: the same cells, blocks and seed give the same plan on every host.

A block holds every cell once, in random order; replicate k of every cell is in block k. A drift of the machine then
meets all cells alike, and comparisons can be paired by block.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from bench.record import Cell


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

    @property
    def blocks(self) -> int:
        """Replicates of each cell."""
        return len(self.order)

    @property
    def replicates(self) -> int:
        """Replicates of all cells together."""
        return sum(len(block) for block in self.order)

    def places(self) -> Iterator[Place]:
        """Yield the replicates in the order in which they run."""
        position = 0
        for number, block in enumerate(self.order, start=1):
            for index in block:
                position += 1
                hash_seed = random.Random(f"{self.seed}/{position}").randrange(1, 2**32)
                yield Place(position=position, block=number, cell=self.cells[index], hash_seed=hash_seed)


def make_plan(cells: tuple[Cell, ...], blocks: int, seed: int) -> Plan:
    """Return a plan in which each of `blocks` blocks holds every cell once, in random order."""
    rng = random.Random(seed)
    return Plan(
        seed=seed,
        cells=cells,
        order=tuple(tuple(rng.sample(range(len(cells)), len(cells))) for _ in range(blocks)),
    )
