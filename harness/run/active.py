"""A run while it is measured."""

from dataclasses import dataclass

from bench.turns.turn import Settings
from harness.plan.plan import Plan
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """A run: what it measures, and where its results go."""

    folder: RunFolder
    plan: Plan
    facts: RunFacts
    settings: Settings
    until: int | None = None  # the last block, as --blocks asks; None: as planned
