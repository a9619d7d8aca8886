"""Cells → a seeded, blocked order. Pure: the same cells, blocks and seed give the same plan on every host.

A block holds every cell once, in random order; replicate k of every cell is in block k. A drift of the machine then
meets all cells alike, and comparisons can be paired by block. Hello worlds, each a whole program's cold start, the
turns that measure limits, and the replicates for memory and energy may be left out of the later blocks. A sentinel
opens each block, and closes the last.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.catalogue import DRIFT_PROBE, EXPORT, LIMITS
from bench.records.record import Cell, Record

ASIDE: Final[Mapping[str, str]] = {  # tracks whose turns are told apart from the cells, and what they are for
    LIMITS: "limits",
    "twin": "A/A",
    DRIFT_PROBE: "the sentinel",
    "memory": "memory",
    "energy": "energy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReplicate:
    """One replicate of the plan."""

    position: int  # from 1
    block: int  # from 1
    cell: Cell
    hash_seed: int  # PYTHONHASHSEED of its process, different for every replicate
    attempt: int = 1  # 2: once more, since the first was invalid

    def again(self) -> "PlannedReplicate":
        """Return the second attempt: the same planned, in a process with another hash seed."""
        return replace(self, attempt=2, hash_seed=random.Random(f"{self.hash_seed}/2").randrange(1, 2**32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole order; `plan.json` holds it."""

    seed: int
    cells: tuple[Cell, ...]
    order: tuple[tuple[int, ...], ...]  # for each block, indices into `cells`
    hello_blocks: int | None = None  # blocks that hold the hello worlds; None: all
    limits_blocks: int | None = None  # blocks that measure limits; None: all
    looks: tuple[int, ...] = ()  # blocks after which the run may end, once its intervals are narrow enough
    memory_blocks: int | None = None  # blocks with memory replicates; None: all
    energy_blocks: int | None = None  # blocks with energy replicates; None: all

    @property
    def blocks(self) -> int:
        """Replicates of each cell."""
        return len(self.order)

    @property
    def replicates(self) -> int:
        """Replicates of all cells together."""
        return sum(len(block) for block in self.order) + len(self._sentinels())

    def __str__(self) -> str:
        """Say how much it is, in one line."""
        turns: Counter[str] = Counter(planned.cell.track for planned in self.in_order())
        cells = [cell for cell in self.cells if cell.track in ("identical", "idiomatic")]
        is_short = turns["identical"] + turns["idiomatic"] < len(cells) * self.blocks
        short = f" (hello worlds in {self.hello_blocks} of them)" if is_short else ""
        blocks = f"{'up to ' if self.looks else ''}{_count(self.blocks, 'block')}"
        sizes = [f"{_count(len(cells), 'cell')} × {blocks}{short}"] if cells else []
        sizes += [f"{_count(turns[track], 'turn')} for {what}" for track, what in ASIDE.items() if turns[track]]
        return f"{' + '.join(sizes)} = {_count(self.replicates, 'replicate')}, seed {self.seed}"

    def in_blocks(self) -> Iterator[tuple[PlannedReplicate, ...]]:
        """Yield the replicates of each block in the order in which they run."""
        for _, places in itertools.groupby(self.in_order(), key=lambda planned: planned.block):
            yield tuple(places)

    def in_order(self) -> Iterator[PlannedReplicate]:
        """Yield the replicates in the order in which they run."""
        closing = tuple(self._sentinels())
        in_order = [(number, index) for number, block in enumerate(self.order, start=1) for index in block]
        in_order += [(self.blocks + 1, index) for index in closing]
        for position, (number, index) in enumerate(in_order, start=1):
            hash_seed = random.Random(f"{self.seed}/{position}").randrange(1, 2**32)
            yield PlannedReplicate(position=position, block=number, cell=self.cells[index], hash_seed=hash_seed)

    def _sentinels(self) -> list[int]:
        return [index for index, cell in enumerate(self.cells) if cell.track == DRIFT_PROBE]


def is_planned(record: Record) -> bool:
    """Return whether the plan counts this record: second attempts and exports lie beside it."""
    return record.attempt == 1 and record.cell.track != EXPORT


def make_plan(
    cells: tuple[Cell, ...],
    *,
    blocks: int,
    seed: int,
    hello_blocks: int | None = None,
    limits_blocks: int | None = None,
    looks: tuple[int, ...] = (),
    memory_blocks: int | None = None,
    energy_blocks: int | None = None,
) -> Plan:
    """Return a plan in which each of `blocks` blocks holds every cell once, in random order.

    Of the blocks after the first `hello_blocks` the hello worlds are left out, where there is anything else to run; of
    those after the first `limits_blocks` the turns that measure limits, and likewise those for memory and for energy.
    After a block of `looks` the run may end.
    """
    rng = random.Random(seed)
    sentinels = [index for index, cell in enumerate(cells) if cell.track == DRIFT_PROBE]
    others = [index for index in range(len(cells)) if index not in sentinels]
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
        everything = rng.sample(others, len(others))
        return (*sentinels, *(index for index in everything if is_in(cells[index], number)))

    return Plan(
        seed=seed,
        cells=cells,
        order=tuple(block(number) for number in range(1, blocks + 1)),
        hello_blocks=hello_blocks,
        limits_blocks=limits_blocks,
        looks=looks,
        memory_blocks=memory_blocks,
        energy_blocks=energy_blocks,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
