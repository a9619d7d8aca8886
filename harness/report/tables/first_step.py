"""What tables say of a first step that has several calls, because later ones compiled or captured, too."""

from collections.abc import Iterable
from typing import Final

from bench.records.record import Cell
from harness.format import listed
from harness.plan.label import name
from harness.report.tables.column import interval_hint
from harness.stats.estimate import Estimate

NAMED: Final = 4  # at most this many are listed in a sentence


def first_step_hint(first_step_ns: Estimate | None, calls: int) -> str:
    """Return the interval of a first step in ms, and how many calls it has where it is not the first call alone."""
    texts = (interval_hint(first_step_ns, 1e6, "ms"), f"{calls} calls until it is steady" if calls > 1 else "")
    return "; ".join(text for text in texts if text)


def several_calls(rows: Iterable[tuple[Cell, int]]) -> tuple[str, ...]:
    """Return the sentence that names the cells whose first step has several calls; `rows`: each cell with its calls."""
    names = [f"{name(cell)} ({calls} calls)" for cell, calls in rows if calls > 1]
    if not names:
        return ()
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"Calls after the first compiled or captured, too, and count as first step: {listed(names[:NAMED])}{more}.",
    )
