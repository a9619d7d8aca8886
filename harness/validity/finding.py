"""What is found wrong with single replicates, and who finds it.

A judge looks at all records of a run, so that it can hold one against the others. What it finds makes a replicate
invalid, or earns its cell a letter.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.records.record import Cell, Record
from harness.stats.flags import Flag
from harness.store.facts import RunFacts

Key = tuple[Cell, int, int]  # cell, block, attempt: one process


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with one replicate."""

    key: Key
    reason: str  # one sentence
    flag: Flag | None = None  # the warning that it earns; None: it is invalid


Judge = Callable[[Sequence[Record], RunFacts], Iterable[Finding]]


def key_of(record: Record) -> Key:
    """Return what tells one process of a run from all others."""
    return record.cell, record.block, record.attempt
