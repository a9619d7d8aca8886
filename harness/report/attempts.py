"""What the table of steps says about replicates that were run once more."""

from collections.abc import Iterable

from harness.format import listed
from harness.report.facts import Run
from harness.report.rows import StepRow
from harness.run.progress import name

NAMED = 4  # replicates that are named one by one


def remarks(run: Run) -> tuple[str, ...]:
    """Return the sentence, none for a run that went by without any."""
    standing = {(record.cell, record.block): record.status for record in run.records}
    told = [
        f"{name(one.cell)}, block {one.block} ({one.reason.rstrip('.')})"
        for one in run.replaced
        if standing.get((one.cell, one.block)) != "invalid"
    ]
    if not told:
        return ()
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return (f"Invalid, run once more in the same block, and good then: {listed(told[:NAMED])}{more}.",)


def without_interval(rows: Iterable[StepRow]) -> tuple[str, ...]:
    """Return the sentence on cells with too few replicates for an interval; none where all have one."""
    alone = [name(row.cell) for row in rows if row.step_ns is not None and row.step_ns.interval is None]
    if not alone:
        return ()
    more = f" and {len(alone) - NAMED} more" if len(alone) > NAMED else ""
    return (f"No interval, which needs two replicates: {listed(alone[:NAMED])}{more}.",)
