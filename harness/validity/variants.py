"""Variants of a framework in one run: their order, and the one that the others are compared with.

The reference is the locked environment where it took part, otherwise the variant that was typed first. What ranks
frameworks takes the reference alone: two variants of one framework are not two frameworks.
"""

from collections.abc import Mapping
from typing import Final

from bench.records.record import Cell
from harness.validity.results import Run

LOCKED: Final = "locked"  # of a cell without a variant, for people


def variants(run: Run) -> Mapping[str, tuple[str, ...]]:
    """Return the variants of each framework that has records, the reference first, then as they were typed."""
    found: dict[str, set[str]] = {}
    for record in run.records:
        found.setdefault(record.cell.framework, set()).add(record.cell.variant)
    typed: dict[str, list[str]] = {}
    for each in run.facts.variants:
        typed.setdefault(each.framework, []).append(each.name)
    return {
        framework: tuple(sorted(names, key=lambda name: _place(name, typed.get(framework, []))))
        for framework, names in found.items()
    }


def references(run: Run) -> Mapping[str, str]:
    """Return the reference of each framework that has records: its variant, empty for the locked environment."""
    return {framework: of[0] for framework, of in variants(run).items()}


def is_reference(cell: Cell, of: Mapping[str, str]) -> bool:
    """Return whether `cell` is of the reference of its framework, which is one of those in `of`."""
    return cell.variant == of.get(cell.framework, "")


def _place(name: str, typed: list[str]) -> tuple[int, str]:
    """Return the sort key of a variant: the locked environment is the first, one that nobody typed the last."""
    if not name:
        return -1, ""
    return (typed.index(name) if name in typed else len(typed)), name
