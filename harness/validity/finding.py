"""What is wrong with single replicates: the findings, and the type of the rules that yield them.

A rule gets all records of a run, so that it can compare one with the others. A finding makes its replicate invalid, or
gives its cell a flag.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.records.record import Cell, Record
from harness.stats.flags import Flag
from harness.store.facts import RunFacts

Key = tuple[Cell, int, int]  # cell, block, attempt: one process
Severity = Literal["invalid", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with one replicate."""

    key: Key
    reason: str  # one sentence
    flag: Flag | None = None  # the warning that its cell gets; None: the replicate is invalid
    part: str = ""  # field of the record that must not reach the statistics; empty: none


Rule = Callable[[Sequence[Record], RunFacts], Iterable[Finding]]


def key_of(record: Record) -> Key:
    """Return what identifies one process of a run."""
    return record.cell, record.block, record.attempt
