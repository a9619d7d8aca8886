"""The ratios of a run's cells, block by block, and what they say about each other."""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from bench.records.record import Cell, Timing
from harness.stats import alternation, flags, moderated, pairs
from harness.stats.estimate import FEW_BLOCKS, Estimate
from harness.stats.moderated import Prior
from harness.stats.pairs import Pair
from harness.validity.results import Run
from harness.validity.variants import references

MOST_KEPT: Final = 4  # runs


_kept: dict[int, tuple[Run, "Ratios"]] = {}  # with the run, so that its id stays its own


def ratios_of(run: Run) -> "Ratios":
    """Return the ratios of `run`, the same each time: tables, noise floor and summary ask for many of them again."""
    known = _kept.get(id(run))
    if known is None:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        known = _kept[id(run)] = run, Ratios(run)
    return known[1]


def beside(run: Run, cell: Cell) -> Cell | None:
    """Return the cell that a data-parallel one is compared with; None: it is none, or nothing is compared with it.

    That is over several ranks the same strategy over one, and over one rank the plain step.
    """
    if cell.ranks > 1:
        return replace(cell, ranks=1, scaling="strong")
    mode = run.plain(cell.framework, cell.mode) if cell.ranks else ""
    return replace(cell, mode=mode, ranks=0, scaling="") if mode else None


class Ratios:
    """Compares any two cells of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._of_block: dict[tuple[int, Cell, Cell], float | None] = {}
        self._timings: dict[int, dict[Cell, Timing]] = {}
        for record in run.records:
            if record.status == "ok" and record.timing is not None:
                self._timings.setdefault(record.block, {})[record.cell] = record.timing

    @functools.cached_property
    def took_turns(self) -> bool:
        """Whether processes of the run took turns."""
        return any(alternation.took_turns(timing) for block in self._timings.values() for timing in block.values())

    def by_block(self, a: Cell, b: Cell, blocks: Collection[int] | None = None) -> dict[int, float]:
        """Return a's time per step ÷ b's in each block that has both; `blocks`: in these only."""
        found: dict[int, float] = {}
        for block, timings in sorted(self._timings.items()):
            if a in timings and b in timings and (blocks is None or block in blocks):
                key = block, a, b
                if key not in self._of_block:
                    self._of_block[key] = alternation.ratio(timings[a], timings[b], self._links(block))
                ratio = self._of_block[key]
                if ratio is not None:
                    found[block] = ratio
        return found

    def to_baseline(self, cell: Cell) -> dict[int, float]:
        """Return the time per step of `cell` ÷ that of its baseline by block; empty for a baseline, or without one.

        The baseline of a data-parallel cell is the one `beside` it.
        """
        if cell.ranks:
            other = beside(self._run, cell)
            return self.by_block(cell, other, self._complete) if other else {}
        mode = self._run.baseline(cell.framework, cell.mode)
        if mode in ("", cell.mode):
            return {}
        return self.by_block(cell, replace(cell, mode=mode), self._complete)

    def to_reference(self, cell: Cell) -> dict[int, float]:
        """Return the time per step of a variant ÷ that of the reference variant by block; empty for the reference."""
        reference = replace(cell, variant=self._references.get(cell.framework, cell.variant))
        return {} if reference == cell else self.by_block(cell, reference, self._complete)

    def estimate(self, by_block: Mapping[int, float]) -> Estimate | None:
        """Return the estimate of a ratio known in these blocks; None: in none."""
        pair = self.pair(by_block)
        return pair.ratio if pair else None

    def pair(self, by_block: Mapping[int, float], *, fewer_than: float = FEW_BLOCKS) -> Pair | None:
        """Return how two cells compare whose ratio is known in these blocks; None: in none.

        With `fewer_than` so many blocks, of processes that took turns, the variance is moderated by the run's other
        ratios.
        """
        ratios = [by_block[block] for block in sorted(by_block)]
        if not ratios:
            return None
        if self._prior is not None and 1 < len(ratios) < fewer_than:
            return self._prior.pair(ratios)
        return pairs.paired(ratios)

    def is_narrow(self, cell: Cell) -> bool | None:
        """Return whether the ratios of `cell` are as precise as a run needs; None: its step is judged.

        They are that to its baseline, and of a variant that to the reference. Processes that took turns have ratios
        that are more precise than any step on a busy machine. So the ratios decide, where there are any. A baseline,
        and a cell without one, has none of its own: its noise is in the ratios of the others.
        """
        if not self.took_turns or not (self._compared or self._varied):
            return None
        ratios = (of[cell] for of in (self._compared, self._varied) if cell in of)
        return all(flags.is_precise(ratio, cell.device) for ratio in ratios)

    def is_moderated(self, blocks: int) -> bool:
        """Whether the interval of a ratio of so many blocks rests on the variances of the others, too."""
        return 1 < blocks < FEW_BLOCKS and self._prior is not None

    @functools.cached_property
    def _to_baselines(self) -> Mapping[Cell, Mapping[int, float]]:
        """The ratio to its baseline by block, of each cell that has one."""
        return {cell: ratios for cell in self._cells if (ratios := self.to_baseline(cell))}

    @functools.cached_property
    def _cells(self) -> tuple[Cell, ...]:
        timed = (cell for block in self._timings.values() for cell in block if cell.track == "identical")
        return tuple(dict.fromkeys(timed))

    @functools.cached_property
    def _references(self) -> Mapping[str, str]:
        return references(self._run)

    @functools.cached_property
    def _varied(self) -> Mapping[Cell, Estimate]:
        """The ratio of each variant to the reference of its framework."""
        pairs_of = ((cell, self.pair(self.to_reference(cell))) for cell in self._cells)
        return {cell: pair.ratio for cell, pair in pairs_of if pair is not None}

    @functools.cached_property
    def _compared(self) -> Mapping[Cell, Estimate]:
        pairs_of = ((cell, self.pair(ratios)) for cell, ratios in self._to_baselines.items())
        return {cell: pair.ratio for cell, pair in pairs_of if pair is not None}

    @functools.cached_property
    def _prior(self) -> Prior | None:
        if not self.took_turns:
            return None
        return moderated.prior([list(ratios.values()) for ratios in self._to_baselines.values()])

    @functools.cached_property
    def _complete(self) -> frozenset[int]:
        return frozenset(self._timings) - frozenset(self._run.incomplete)

    def _links(self, block: int) -> Iterator[Timing]:
        """Yield the timings that can link two groups; trainers last, whose steps are slopes."""
        for is_trainer in (False, True):
            for timing in self._timings[block].values():
                if alternation.took_turns(timing) and bool(timing.double_round_ns) is is_trainer:
                    yield timing
