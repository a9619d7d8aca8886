"""Cells → a seeded, blocked order. Pure: the same cells, blocks and seed give the same plan on every host.

A block holds every cell once, in random order; replicate k of every cell is in block k. A hello world, whose whole
program is one cold start, may be left out of the later blocks. A drift of the machine then
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
    hello_blocks: int | None = None  # blocks that hold the hello worlds; None: all

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
        fewer = self.replicates < len(self.cells) * self.blocks
        short = f" (hello worlds in {self.hello_blocks} of them)" if fewer else ""
        size = f"{_count(len(self.cells), 'cell')} × {_count(self.blocks, 'block')}{short}"
        return f"{size} = {_count(self.replicates, 'replicate')}, seed {self.seed}"

    def places(self) -> Iterator[Place]:
        """Yield the replicates in the order in which they run."""
        position = 0
        for number, block in enumerate(self.order, start=1):
            for index in block:
                position += 1
                hash_seed = random.Random(f"{self.seed}/{position}").randrange(1, 2**32)
                yield Place(position=position, block=number, cell=self.cells[index], hash_seed=hash_seed)


def make_plan(cells: tuple[Cell, ...], blocks: int, seed: int, hello_blocks: int | None = None) -> Plan:
    """Return a plan in which each of `blocks` blocks holds every cell once, in random order.

    Of the blocks after the first `hello_blocks` the hello worlds are left out, where there is anything else to run.
    """
    rng = random.Random(seed)
    lasting = [index for index, cell in enumerate(cells) if cell.track != "idiomatic"]

    def block(number: int) -> tuple[int, ...]:
        everything = rng.sample(range(len(cells)), len(cells))
        if hello_blocks is None or number <= hello_blocks or not lasting:
            return tuple(everything)
        return tuple(index for index in everything if index in lasting)

    return Plan(
        seed=seed,
        cells=cells,
        order=tuple(block(number) for number in range(1, blocks + 1)),
        hello_blocks=hello_blocks,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
