"""The harness's own share of a run's wall time."""

from collections.abc import Sequence

from bench.records.record import Record


def own_share(records: Sequence[Record], wall_s: float) -> float:
    """Return the harness's own share of `wall_s`: what the phases of the replicates do not account for, 0 to 1.

    A replicate that was killed has no phases: its whole wall time counts as accounted for.
    """
    phases_ns = sum(record.phases.total_ns() if record.phases else record.wall_ns for record in records)
    return max(0.0, 1 - phases_ns / 1e9 / wall_s) if wall_s > 0 else 0.0
