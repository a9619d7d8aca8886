"""The conditions of --fail-on, and what is said where one of them could not be judged."""

from typing import Final

from harness.compare.compare import NOT_COMPARABLE, Comparison
from harness.plan import request, selection
from harness.stats.estimate import FEW_BLOCKS

OPEN: Final = ("undetermined", NOT_COMPARABLE, "unmatched")  # what a cell is that is not told slower or faster
CONDITIONS: Final = ("slower", "faster", *OPEN)


def parsed(typed: str | None) -> tuple[str, ...]:
    """Return the conditions in `typed`, such as "slower,not-comparable"; raises SelectionError for an unknown one."""
    conditions = tuple(condition.replace("-", " ") for condition in selection.names(typed))
    for condition in conditions:
        request.one_of("condition", condition, CONDITIONS)
    return conditions


def are_met(comparison: Comparison, conditions: tuple[str, ...]) -> bool:
    """Return whether a cell meets any of them."""
    return any(comparison.count(condition) for condition in conditions)


def unjudged(comparison: Comparison, conditions: tuple[str, ...]) -> str:
    """Return the sentences on cells that could be slower or faster and do not fail; empty where there are none."""
    judged = [condition for condition in conditions if condition not in OPEN]
    counts = {kind: count for kind in OPEN if kind not in conditions and (count := comparison.count(kind))}
    if not judged or not counts:
        return ""
    total = len(comparison.cells) + len(comparison.unmatched)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    named = ",".join((*conditions, *counts)).replace(" ", "-")
    sentence = (
        f"{' or '.join(judged)} could not be judged in {sum(counts.values())} of {total}"
        f" cell{'' if total == 1 else 's'} ({kinds}), which does not fail: --fail-on {named} does."
    )
    few = any(cell.verdict == "undetermined" and cell.step.count < FEW_BLOCKS for cell in comparison.cells)
    if few and comparison.threshold is None and "undetermined" in counts:
        sentence += f" With fewer than {FEW_BLOCKS} blocks, --threshold 10% answers."
    return sentence
