"""The rows of the table of scaling: the figures of each data-parallel cell.

The times are those of the steps (`harness.report.tables.steps`). Ratios come from the blocks, by neighbouring time
slices where the processes took turns: to the same strategy over one rank, and of that to the plain step.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

from bench.records.parallel import Parallel
from bench.records.record import Cell, Record
from harness.report.tables.row import Row, by_cell
from harness.report.tables.steps import StepRow, shared_ratios
from harness.stats import estimate, scaling
from harness.stats.estimate import FEW_BLOCKS, Estimate, Interval
from harness.stats.flags import OVERHEAD, Flag
from harness.stats.pairs import verdicts
from harness.stats.scaling import MOST_OVERHEAD
from harness.validity.noise_floor import floor_of
from harness.validity.ratios import Ratios, beside, ratios_of
from harness.validity.results import Run

T = TypeVar("T")
Told = Literal["below 1", "above 1", "1", "not told"]
# What a ratio of times says of the efficiency, which is its inverse.
SAID: Final[Mapping[estimate.Verdict, Told]] = {
    "slower": "below 1", "faster": "above 1", "same": "1", "undetermined": "not told",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRow(Row):
    """One strategy over so many ranks."""

    step: StepRow  # its times
    parallel: Parallel | None  # what the first replicate that has it read back
    plain: str  # mode that one rank is compared with; empty: none, or it is compared with one rank
    efficiency: Estimate | None  # None: it is over one rank, or there is no time over one rank
    efficiencies: Mapping[int, float]  # by block
    told: Told | None  # of the efficiency: whether the blocks tell it from 1; None: there is none
    overhead: Estimate | None  # one rank ÷ the plain step; None: it is over several ranks, or there is no plain step
    overheads: Mapping[int, float]  # by block
    communication: Estimate | None  # share of the step; a mean over replicates, which may be negative
    why_no_communication: str  # empty: there is a share, or nothing to say
    start_ns: float | None  # from the start of the followers until they are ready; median, as the following
    memory_bytes: float | None  # peaks of all processes together
    agrees: bool | None  # whether all ranks had the same parameters in all replicates; None: not known
    flags: tuple[Flag, ...]

    @property
    def step_ns(self) -> Estimate | None:
        """Time per step."""
        return self.step.step_ns

    @property
    def per_second(self) -> float | None:
        """Samples a second, of all ranks together."""
        if self.parallel is None or self.step_ns is None:
            return None
        return self.parallel.rows * 1e9 / self.step_ns.value

    @property
    def speedup(self) -> Estimate | None:
        """Samples a second ÷ those over one rank."""
        return scaled(self.efficiency, self.cell.ranks) if self.efficiency else None

    @property
    def name(self) -> str:
        """The framework and the strategy, for people."""
        return f"{self.title} {self.cell.mode}"


def scaled(of: Estimate, factor: float) -> Estimate:
    """Return the estimate of `factor` times the value."""
    interval = of.interval and Interval(low=of.interval.low * factor, high=of.interval.high * factor)
    return replace(of, value=of.value * factor, interval=interval, extent=None)


def scaling_rows(run: Run, steps: Iterable[StepRow]) -> tuple[ScalingRow, ...]:
    """Return a row for each data-parallel cell.

    Args:
        run: what is reported.
        steps: rows of all its cells of the identical track.
    """
    rows = {row.cell: row for row in steps}
    records, ratios = by_cell(run, "identical"), ratios_of(run)
    made = [_row(run, rows[cell], rows, records[cell], ratios) for cell in _ordered(run, rows) if cell.ranks]
    return _told(made, ratios, floor_of(run))


def _ordered(run: Run, cells: Iterable[Cell]) -> list[Cell]:
    """Return cells in the order of the tables, those of a strategy by work: the smallest size first."""
    cells = list(cells)
    strategies = {mode: at for at, mode in enumerate(dict.fromkeys((cell.framework, cell.mode) for cell in cells))}
    works = {
        (offer.name, size): (at, place)
        for at, offer in enumerate(run.facts.workloads)
        for place, size in enumerate(offer.sizes)
    }
    last = (len(run.facts.workloads), 0)
    return sorted(
        cells, key=lambda cell: (strategies[cell.framework, cell.mode], works.get((cell.workload, cell.size), last))
    )


def _row(run: Run, row: StepRow, rows: Mapping[Cell, StepRow], records: Sequence[Record], ratios: Ratios) -> ScalingRow:
    cell, one = row.cell, beside(run, row.cell)
    other = rows.get(one) if one else None
    found = shared_ratios(ratios, row, other) if other else {}
    shares = scaling.efficiency(found, cell.ranks, cell.scaling) if cell.ranks > 1 else {}
    overheads = found if cell.ranks == 1 else {}
    overhead = ratios.estimate(overheads)
    is_dear = overhead is not None and overhead.interval is not None and overhead.interval.low > MOST_OVERHEAD
    good = (
        [record for record in records if record.status == "ok" and record.parallel] if row.status != "invalid" else []
    )
    known = [record.parallel for record in records if record.parallel]
    exchange = _of_all(good, _communication)
    return ScalingRow(
        cell=cell,
        title=row.title,
        status=row.status,
        reason=row.reason,
        step=row,
        parallel=known[0] if known else None,
        plain=one.mode if one and cell.ranks == 1 else "",
        efficiency=ratios.estimate(shares),
        efficiencies=shares,
        told=None,
        overhead=overhead,
        overheads=overheads,
        communication=estimate.level(exchange) if exchange else None,
        why_no_communication="" if exchange else next(filter(None, (each.unsynchronised_why for each in known)), ""),
        start_ns=_median(_of_all(good, lambda record, parallel: parallel.start_ns)),
        memory_bytes=_median(_of_all(good, _memory)),
        agrees=_all(_of_all(good, lambda record, parallel: scaling.agrees(parallel))),
        flags=(*row.flags, *((OVERHEAD,) if is_dear else ())),
    )


def _of_all(records: Iterable[Record], value: Callable[[Record, Parallel], T | None]) -> list[T]:
    found = (value(record, record.parallel) for record in records if record.parallel)
    return [each for each in found if each is not None]


def _communication(record: Record, parallel: Parallel) -> float | None:
    return scaling.communication(parallel, record.timing) if record.timing and parallel.ranks > 1 else None


def _memory(record: Record, parallel: Parallel) -> int | None:
    return scaling.memory_bytes(parallel, record.memory.host_peak_rss_bytes if record.memory else None)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _all(values: Sequence[bool]) -> bool | None:
    return all(values) if values else None


def _told(rows: Sequence[ScalingRow], ratios: Ratios, floor: float) -> tuple[ScalingRow, ...]:
    """Return rows that say whether the blocks tell their efficiency from 1.

    As the opening sentences tell steps apart: with fewer than six blocks by the interval and the noise floor, from six
    on as a verdict (`harness.stats.pairs`), with Holm's procedure over the rows of this table.
    """
    inverse = {row.cell: {block: 1 / value for block, value in row.efficiencies.items()} for row in rows}
    paired = {cell: pair for cell, by_block in inverse.items() if (pair := ratios.pair(by_block))}
    enough = {cell: pair for cell, pair in paired.items() if pair.ratio.count >= FEW_BLOCKS}
    judged = dict(zip(enough, verdicts(list(enough.values()), floor), strict=True))
    said = {cell: SAID[judged.get(cell) or estimate.verdict(pair.ratio, floor)] for cell, pair in paired.items()}
    return tuple(replace(row, told=said.get(row.cell)) for row in rows)
