"""One record for each process of a run: which replicates never ran, and records that say two things of one replicate.

A replicate never ran where its process did not come as far as importing the framework: its interpreter does not start,
the CPU set is refused, no memory for a process, no room for its folder, no container, no environment. That is the
machine's doing. Nothing was measured, so `--resume` takes it again, and the new record stands in place of the old one.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.catalogue import DRIFT_PROBE, EXPORT
from bench.records.record import Cell, Record
from harness.errors import StoreError
from harness.plan.label import name
from harness.terminal import shell

LAUNCH = "launch"  # the phase of a failure before the first of the protocol


def never_ran(record: Record) -> bool:
    """Return whether the replicate of `record` ended before it began, for want of the machine."""
    return record.status == "failed" and record.failure is not None and record.failure.phase == LAUNCH


def standing(path: Path, records: Sequence[Record]) -> tuple[Record, ...]:
    """Return one record for each process, in the order of the lines.

    A line that repeats another one exactly, as after two copies were joined, counts once. A replicate that never ran
    and was taken again has the later record.

    Args:
        path: of records.jsonl.
        records: one of each of its lines.

    Raises:
        StoreError: two lines say different things of one replicate; the message has both.
    """
    lines: dict[tuple[Cell, int, int], int] = {}
    for number, record in enumerate(records, start=1):
        if record.cell.track == EXPORT:  # not planned: made again where an earlier one failed
            continue
        key = record.cell, record.block, record.attempt
        first = lines.get(key)
        if first is None or never_ran(records[first - 1]):
            lines[key] = number
        elif not never_ran(record) and record != records[first - 1]:
            raise StoreError(_conflict(path, record, first, number))
    kept = set(lines.values())
    return tuple(
        record for number, record in enumerate(records, start=1) if number in kept or record.cell.track == EXPORT
    )


def _conflict(path: Path, record: Record, first: int, second: int) -> str:
    delete = shell.command("sed", "-i", f"{second}d", shell.path(path))
    return (
        f"{path}, lines {first} and {second}: both are {name(record.cell)}, block {record.block}, attempt"
        f" {record.attempt}, and they differ. Delete the one that is not of this run ({delete} deletes line {second})."
    )


def measured(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the records of replicates that need not be taken again.

    A drift probe of a block that was begun is not: it would measure the machine at another time.
    """
    kept = tuple(records)
    begun = {record.block for record in kept if not never_ran(record)}
    return tuple(
        record
        for record in kept
        if not never_ran(record) or (record.cell.track == DRIFT_PROBE and record.block in begun)
    )
