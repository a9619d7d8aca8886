"""A published run made as large as one likes: its real records again, under further workloads.

`python -m` this module with a folder writes the report of 500 cells into it, to look at.
"""

import dataclasses
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.records.record import Record, Timing
from harness.report.write import write
from harness.store.folder import RunFolder
from harness.validity.results import Run, load

PUBLISHED: Final = Path(__file__).parents[3] / "results" / "published"
LADDERS: Final = "20261129-cpu-ladders"  # 100 cells, five workloads of one size


@functools.cache
def ladders() -> Run:
    """The published run of the ladders, as reports read it; the same one every time."""
    return load(RunFolder(PUBLISHED / LADDERS))


@functools.cache
def large() -> Run:
    """That run with 500 cells; the same one every time."""
    return multiplied(ladders())


def multiplied(run: Run, cells: int = 500) -> Run:
    """`run` with its records again under further workloads, until it has `cells` timed cells.

    Each copy's times are 10 % longer than those of the one before, so that no two workloads look alike.
    """
    timed = {record.cell for record in run.records if record.cell.track == "identical"}
    copies = range(2, 1 + -(-cells // len(timed)))
    records = [*run.records, *(copied for copy in copies for copied in _copies(run, copy))]
    named = [
        dataclasses.replace(offer, name=_name(offer.name, copy)) for copy in copies for offer in run.facts.workloads
    ]
    facts = dataclasses.replace(
        run.facts, workloads=(*run.facts.workloads, *named), replicates=len(records), id=f"{run.facts.id}-{cells}"
    )
    kept = set(list(dict.fromkeys(record.cell for record in records if record.cell.track == "identical"))[:cells])
    return dataclasses.replace(
        run,
        facts=facts,
        records=tuple(record for record in records if record.cell.track != "identical" or record.cell in kept),
    )


def _copies(run: Run, copy: int) -> Iterator[Record]:
    for record in run.records:
        if record.cell.track == "identical":
            cell = dataclasses.replace(record.cell, workload=_name(record.cell.workload, copy))
            yield dataclasses.replace(record, cell=cell, timing=record.timing and _slower(record, 1 + copy / 10))


def _slower(record: Record, factor: float) -> Timing:
    timing = record.timing
    assert timing is not None
    return dataclasses.replace(
        timing,
        round_ns=tuple(int(ns * factor) for ns in timing.round_ns),
        double_round_ns=tuple(int(ns * factor) for ns in timing.double_round_ns),
        first_step_ns=int(timing.first_step_ns * factor),
    )


def _name(workload: str, copy: int) -> str:
    return f"{workload}-{copy}"


if __name__ == "__main__":
    print(write(large(), Path(sys.argv[1])))
