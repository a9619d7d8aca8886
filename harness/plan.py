"""Cells → a seeded, blocked order. Pure: the same cells, blocks and seed give the same plan on every host.

A block holds every cell once, in random order; replicate k of every cell is in block k. A drift of the machine then
meets all cells alike, and comparisons can be paired by block. Hello worlds, each a whole program's cold start, and the
turns that measure limits may be left out of the later blocks.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from bench.catalogue import LIMITS
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
    limits_blocks: int | None = None  # blocks that measure limits; None: all

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
        measuring = [index for index, cell in enumerate(self.cells) if cell.track == LIMITS]
        turns = sum(index in measuring for block in self.order for index in block)
        cells = len(self.cells) - len(measuring)
        short = (
            f" (hello worlds in {self.hello_blocks} of them)" if self.replicates - turns < cells * self.blocks else ""
        )
        size = f"{_count(cells, 'cell')} × {_count(self.blocks, 'block')}{short}"
        limits = f" + {_count(turns, 'turn')} for limits" if turns else ""
        return f"{size}{limits} = {_count(self.replicates, 'replicate')}, seed {self.seed}"

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
) -> Plan:
    """Return a plan in which each of `blocks` blocks holds every cell once, in random order.

    Of the blocks after the first `hello_blocks` the hello worlds are left out, where there is anything else to run; of
    those after the first `limits_blocks` the turns that measure limits.
    """
    rng = random.Random(seed)
    blocks_of = {"idiomatic": hello_blocks, LIMITS: limits_blocks}
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
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
