"""The A/A pair of a session: one cell measured under two labels, and what its difference says of all others.

Both labels run the same code, so whatever tells them apart is noise: nothing in the session is called faster or slower
by less than that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.records.record import Cell, Record
from harness.plan.companions import CONTROL
from harness.stats import estimate, pairs
from harness.stats.pairs import Pair
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a session cannot tell apart."""

    cell: Cell  # the one that was measured twice
    pair: Pair | None  # second label ÷ first; None: no block has a valid time of both

    @property
    def count(self) -> int:
        """Blocks that it rests on."""
        return self.pair.ratio.count if self.pair else 0

    @property
    def value(self) -> float:
        """Relative difference that may be noise: of the A/A ratio the half-width or the distance from 1, the larger."""
        if self.pair is None:
            return estimate.VERDICT_FLOOR
        ratio = self.pair.ratio.value
        return max(estimate.VERDICT_FLOOR, self.pair.ratio.half_width or 0.0, max(ratio, 1 / ratio) - 1)


def floor(records: Sequence[Record]) -> Floor | None:
    """Return what the session of `records` cannot tell apart; None when it ran no cell under two labels."""
    twin = next((record.cell for record in records if record.cell.track == CONTROL), None)
    if twin is None:
        return None
    cell = replace(twin, track="identical")
    return Floor(cell=cell, pair=pairs.pair(_steps(records, twin), _steps(records, cell)))


def _steps(records: Iterable[Record], cell: Cell) -> dict[int, float]:
    timed = ((record.block, record.timing) for record in records if record.cell == cell and record.status == "ok")
    steps = ((block, estimate.step_ns(timing)) for block, timing in timed if timing is not None)
    return {block: step for block, step in steps if step is not None}


def floor_of(run: Run) -> float:
    """Return the relative difference below which nothing of this run is called faster or slower."""
    found = floor(run.records)
    return found.value if found else estimate.VERDICT_FLOOR
