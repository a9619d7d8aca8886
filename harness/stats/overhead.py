"""What part of a run's wall time was the harness's own."""

from collections.abc import Sequence

from bench.records.record import Record


def own_share(records: Sequence[Record], wall_s: float) -> float:
    """Return the harness's own share of `wall_s`: what the phases of the replicates do not account for, 0 to 1.

    A replicate that was killed could not hand over its phases: its whole life counts as theirs.
    """
    phases_ns = sum(record.phases.total_ns() if record.phases else record.wall_ns for record in records)
    return max(0.0, 1 - phases_ns / 1e9 / wall_s) if wall_s > 0 else 0.0
