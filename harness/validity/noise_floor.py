"""The noise floor of a session: what its A/A control, one cell measured under two labels, says of all differences.

Both labels run the same code, so any difference between them is noise: nothing in the session is called faster or
slower by less than that.
"""

import math
from dataclasses import dataclass, replace

from bench.catalogue import CONTROL
from bench.records.record import Cell
from harness.stats.estimate import VERDICT_FLOOR
from harness.stats.pairs import Pair
from harness.validity.ratios import ratios_of
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """The differences that a session cannot distinguish from noise."""

    cell: Cell  # the one that was measured twice
    pair: Pair | None  # second label ÷ first; None: no block has a valid time of both

    @property
    def count(self) -> int:
        """Number of blocks with both labels."""
        return self.pair.ratio.count if self.pair else 0

    @property
    def value(self) -> float:
        """Relative difference that may be noise: half-width of the A/A ratio or its distance from 1, the larger."""
        if self.pair is None:
            return VERDICT_FLOOR
        ratio = self.pair.ratio.value
        return max(VERDICT_FLOOR, self.pair.ratio.half_width or 0.0, max(ratio, 1 / ratio) - 1)

    @property
    def least(self) -> float:
        """Relative difference that the A/A ratio shows beyond its own noise: its interval's nearer end, from 1."""
        interval = self.pair.ratio.interval if self.pair else None
        if interval is None or interval.holds(1.0):
            return VERDICT_FLOOR
        nearer = interval.low if interval.low > 1 else 1 / interval.high
        return max(VERDICT_FLOOR, nearer - 1)


def least_floor_of(run: Run) -> float:
    """Return the relative difference that this run is known to show between cells of the same code; 1 % or more."""
    measured = floor(run)
    return measured.least if measured else VERDICT_FLOOR


def floor_of(run: Run) -> float:
    """Return the relative difference below which nothing of this run is called faster or slower; 1 % or more."""
    measured = floor(run)
    return measured.value if measured else VERDICT_FLOOR


def floor(run: Run) -> NoiseFloor | None:
    """Return the noise floor of a session; None when it ran no cell under two labels.

    A run that was collected from several hosts has an A/A control of each workload: the widest floor is that of all.
    """
    controls = dict.fromkeys(record.cell for record in run.records if record.cell.track == CONTROL)
    return max((of_control(run, control) for control in controls), key=lambda each: each.value, default=None)


def of_control(run: Run, control: Cell) -> NoiseFloor:
    """Return the noise floor by one A/A control.

    One pair knows its own variance badly. Where processes took turns it is moderated by the session's other ratios.
    """
    cell = replace(control, track="identical")
    ratios = ratios_of(run)
    return NoiseFloor(cell=cell, pair=ratios.pair(ratios.by_block(control, cell), fewer_than=math.inf))
