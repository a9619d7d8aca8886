"""What replicates took in earlier runs, for an estimate before the first of this one has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.records.record import Cell
from harness.errors import StoreError
from harness.store import folder as store

LOOKED_AT: Final = 20  # runs, the latest first


def seconds(results: Path, profile: str, device: str) -> Mapping[Cell, float]:
    """Return the seconds that each cell's latest good replicate took, of runs of `profile` on `device` in `results`."""
    found: dict[Cell, float] = {}
    for folder in store.latest(results)[:LOOKED_AT]:
        try:
            facts = folder.facts()
            records = folder.records() if (facts.profile, facts.device) == (profile, device) else ()
        except StoreError:  # a damaged run tells nothing, and is reported where it is used
            continue
        for record in reversed(records):
            if record.status == "ok":
                found.setdefault(record.cell, record.wall_ns / 1e9)
    return found
