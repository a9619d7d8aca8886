"""What a run measures: time, memory, energy. Each has replicates of its own, so that none disturbs another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.records.record import Cell, Track
from harness.plan import selection
from harness.plan.profiles import Profile

TIME: Final = "time"
BESIDE: Final[dict[str, Track]] = {"memory": "memory", "energy": "energy"}  # the tracks that repeat a cell
MEASURES: Final = (TIME, *BESIDE)


def measures(typed: str | None, profile: Profile) -> tuple[str, ...]:
    """Return what is to be measured: what was typed, else what the profile measures.

    Raises:
        SelectionError: an unknown name.
    """
    chosen = selection.names(typed) or profile.measures
    for name in chosen:
        selection.known("measure", name, dict.fromkeys(MEASURES))
    return tuple(name for name in MEASURES if name in chosen)


def beside(cells: Sequence[Cell], measured: Sequence[str]) -> tuple[Cell, ...]:
    """Return the cells of what is `measured`: those of time, then each identical cell again on the other tracks.

    A hello world is a matter of time: it is a whole program's cold start.
    """
    timed = tuple(cells) if TIME in measured else ()
    again = (
        replace(cell, track=track)
        for name, track in BESIDE.items()
        if name in measured
        for cell in cells
        if cell.track == "identical"
    )
    return (*timed, *again)
