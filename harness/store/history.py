"""How long replicates took in earlier runs, for an estimate before any replicate of this run has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.records.record import Cell
from harness.errors import StoreError
from harness.store.folder import latest

RUNS_READ: Final = 20  # the latest ones


def seconds(results: Path, *, profile: str, device: str) -> Mapping[Cell, float]:
    """Return the seconds of each cell's latest good replicate, in the runs of `profile` on `device` under `results`."""
    by_cell: dict[Cell, float] = {}
    for folder in latest(results)[:RUNS_READ]:
        try:
            facts = folder.facts()
            records = folder.records() if (facts.profile, facts.device) == (profile, device) else ()
        except StoreError:  # a damaged run is left out here, and reported by the command that uses it
            continue
        for record in reversed(records):
            if record.status == "ok":
                by_cell.setdefault(record.cell, record.wall_ns / 1e9)
    return by_cell
