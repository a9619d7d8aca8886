"""What the table of steps says about replicates that were run once more."""

from harness.progress import name
from harness.report.facts import Run
from harness.report.formats import listed

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
