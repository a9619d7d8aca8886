"""How long a deep check may take, and how long each of its cells."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from bench.records.record import Cell

CELL_S: Final = 60.0  # that any cell may take; one of few may take its share of what is left
FIRST_S: Final = 4.0  # taken for a cell before any of its framework has ended
LEAST_S: Final = 2.0  # left: less is enough for none


class Budget:
    """The time that is left, and what a cell is expected to need of it."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now."""
        self._clock = clock
        self._end = clock() + seconds
        self._seconds: dict[str, list[float]] = defaultdict(list)  # by framework, of the cells that have ended

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._end - self._clock())

    def note(self, cell: Cell, seconds: float) -> None:
        """Take note of how long a cell took."""
        self._seconds[cell.framework].append(seconds)

    def has(self, cell: Cell) -> bool:
        """Whether there is time for a cell: as long as those of its framework took; of a first one little is taken."""
        taken = self._seconds.get(cell.framework) or [FIRST_S]
        return self.left_s >= max(LEAST_S, statistics.median(taken))

    def limit_s(self, cells: int) -> float:
        """Return how long the next of so many cells may take."""
        return max(LEAST_S, min(self.left_s, max(CELL_S, self.left_s / max(1, cells))))

    def is_cut(self, limit_s: float) -> bool:
        """Whether a time limit was short for want of time, so that reaching it says nothing of the cell."""
        return limit_s < CELL_S
