"""The A/A pair of a session: one cell measured under two labels, and what its difference says of all others.

Both labels run the same code, so whatever tells them apart is noise: nothing in the session is called faster or slower
by less than that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.catalogue import FrameworkOffer
from bench.records.record import FORWARD_ONLY, Cell, Record
from harness.stats import estimate, pairs
from harness.stats.pairs import Pair

TWIN: Final = "twin"
FEWEST_BLOCKS: Final = 2  # fewer give no interval, and so no floor


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


def beside(cells: Sequence[Cell], frameworks: Iterable[FrameworkOffer], blocks: int) -> tuple[Cell, ...]:
    """Return `cells` and the twin of one of them.

    It is the first, in the order of the tables, of a library itself rather than of a layer upon it, in a mode that
    compares with another; where there is none, the first cell that trains. With one block there is none.
    """
    offers = {one.name: one for one in frameworks}
    training = [cell for cell in cells if _trains(cell, offers)]
    typical = [cell for cell in training if _is_typical(cell, offers[cell.framework])]
    chosen = (typical or training)[:1] if blocks >= FEWEST_BLOCKS else []
    return (*cells, *(replace(cell, track=TWIN) for cell in chosen))


def floor(records: Sequence[Record]) -> Floor | None:
    """Return what the session of `records` cannot tell apart; None when it ran no cell under two labels."""
    twin = next((record.cell for record in records if record.cell.track == TWIN), None)
    if twin is None:
        return None
    cell = replace(twin, track="identical")
    return Floor(cell=cell, pair=pairs.pair(_steps(records, twin), _steps(records, cell)))


def _trains(cell: Cell, offers: Mapping[str, FrameworkOffer]) -> bool:
    offer = offers.get(cell.framework)
    if offer is None or cell.track != "identical" or cell.optimizer == FORWARD_ONLY:
        return False
    return not any(mode.source for mode in offer.modes if mode.name == cell.mode)


def _is_typical(cell: Cell, offer: FrameworkOffer) -> bool:
    baseline = next((mode.baseline for mode in offer.modes if mode.name == cell.mode), "")
    return offer.limits == offer.name and baseline not in ("", cell.mode)


def _steps(records: Iterable[Record], cell: Cell) -> dict[int, float]:
    timed = ((record.block, record.timing) for record in records if record.cell == cell and record.status == "ok")
    steps = ((block, estimate.step_ns(timing)) for block, timing in timed if timing is not None)
    return {block: step for block, step in steps if step is not None}
