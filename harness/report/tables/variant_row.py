"""The rows of the table of variants: each variant of a cell beside the reference of its framework.

The times are those of the steps (`harness.report.tables.steps`). Ratios come from the blocks, by neighbouring time
slices where the processes took turns, as all others do; a verdict needs what every verdict needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.records.record import Cell, Record
from harness.report.tables.accuracy import AccuracyRow
from harness.report.tables.memory import MemoryRow, peak_bytes
from harness.report.tables.row import Row, by_cell
from harness.report.tables.steps import StepRow, shared_ratios
from harness.stats import estimate, pairs
from harness.stats.estimate import FEW_BLOCKS, Estimate, Verdict
from harness.stats.pairs import Pair
from harness.validity.noise_floor import floor_of
from harness.validity.ratios import Ratios, ratios_of
from harness.validity.results import Run
from harness.validity.variants import variants

Bits = Literal["equal", "differ", "not reproducible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow(Row):
    """One variant of a cell, and how it compares with the reference; the reference has a row, too."""

    framework: str  # title of the framework without a variant
    reference: Cell  # the same cell of the reference; the row's own cell for the reference itself
    step: StepRow  # its times
    ratio: Estimate | None  # its step ÷ that of the reference; None: it is the reference, or one has no time
    ratios: Mapping[int, float]  # by block
    verdict: Verdict | None  # on its step; None: it is the reference, or the run is too small for verdicts
    told: Verdict | None  # the same for a sentence, which with fewer than six blocks says on how many it rests
    first_step_ratio: Estimate | None
    peak_bytes: int | None  # as in the overview
    import_ns: Estimate | None  # import of the framework
    import_ratio: Estimate | None
    installed_bytes: int | None  # files of all packages of its environment; None: not known
    deviation: float | None  # largest deviation of a loss from the float64 reference
    bits: Bits | None  # losses and parameters against the reference's, to the last bit; None: not known
    loss_difference: float | None  # largest difference of a loss to the reference's; None: not known
    python: str  # version of the interpreter; empty: not known
    changed: tuple[str, ...]  # what differs from the framework's lock, as "jaxlib 0.10.2 -> 0.9.2"

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with it."""
        return self.cell == self.reference


def variant_rows(
    run: Run, steps: Iterable[StepRow], memory: Iterable[MemoryRow], accuracy: Iterable[AccuracyRow]
) -> tuple[VariantRow, ...]:
    """Return a row for each cell of the identical track whose framework has several variants in the run.

    Args:
        run: what is reported.
        steps: rows of all cells of the identical track, the data-parallel ones as well.
        memory: rows of the table of memory.
        accuracy: rows of the table of accuracy.
    """
    names = {framework: of for framework, of in variants(run).items() if len(of) > 1}
    rows = {row.cell: row for row in steps if row.cell.framework in names}
    if not rows:
        return ()
    peaks = {row.cell: peak_bytes(row) for row in memory}
    deviations = {row.cell: row.accuracy.max_loss_deviation for row in accuracy if row.accuracy and row.status == "ok"}
    sizes = _installed_bytes(run)
    records, ratios = by_cell(run, "identical"), ratios_of(run)
    made = []
    for cell in _ordered(rows, names):
        reference = replace(cell, variant=names[cell.framework][0])
        own = _Side(rows[cell], records[cell])
        other = _Side(rows[reference], records[reference]) if reference in rows else None
        row = _row(run, own, None if other is None or reference == cell else other, ratios)
        row = replace(row, peak_bytes=peaks.get(cell), deviation=deviations.get(cell))
        made.append(replace(row, reference=reference, installed_bytes=sizes.get(cell.framework_id)))
    return _judged(made, ratios, floor_of(run), is_first_look=run.is_first_look)


def bits(own: Iterable[Record], others: Iterable[Record]) -> Bits | None:
    """Return whether good replicates of two cells have losses and parameters that are equal to the last bit.

    Where those of one of the cells differ among themselves, they say nothing of the other. None: one has no
    fingerprint.
    """
    ours, theirs = _fingerprints(own), _fingerprints(others)
    if not ours or not theirs:
        return None
    if len(ours) > 1 or len(theirs) > 1:
        return "not reproducible"
    return "equal" if ours == theirs else "differ"


class _Side:
    """One of two cells: its times, and its good replicates."""

    def __init__(self, step: StepRow, records: Iterable[Record]) -> None:
        self.step = step
        self.good = [record for record in records if record.status == "ok"] if step.status != "invalid" else []

    @property
    def imports_ns(self) -> dict[int, float]:
        """Import of the framework by block."""
        return {record.block: record.phases.import_ns for record in self.good if record.phases}


def _ordered(rows: Iterable[Cell], names: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Return cells in the order of the tables, but the variants of one cell side by side, the reference first."""
    cells = list(rows)
    modes = {mode: at for at, mode in enumerate(dict.fromkeys((cell.framework, cell.mode) for cell in cells))}
    works = {work: at for at, work in enumerate(dict.fromkeys(replace(cell, variant="") for cell in cells))}

    def order(cell: Cell) -> tuple[int, int, int]:
        places = modes[cell.framework, cell.mode], works[replace(cell, variant="")]
        return *places, names[cell.framework].index(cell.variant)

    return sorted(cells, key=order)


def _row(run: Run, own: _Side, other: _Side | None, ratios: Ratios) -> VariantRow:
    """Return the row without what belongs to all rows together, and without what other tables know.

    `other` is the reference; None: the row is its own, or the run lacks it.
    """
    step, cell = own.step, own.step.cell
    by_block = shared_ratios(ratios, step, other.step) if other else {}
    environment = next((record.environment for record in own.good if record.environment), None)
    facts = next((each for each in run.facts.variants if (each.framework, each.name) == _named(cell)), None)
    return VariantRow(
        cell=cell,
        title=step.title,
        status=step.status,
        reason=step.reason,
        source=step.source,
        framework=run.title(cell.framework),
        reference=cell,
        step=step,
        ratio=ratios.estimate(by_block),
        ratios=by_block,
        verdict=None,
        told=None,
        first_step_ratio=_quotient(_first_steps(step), _first_steps(other.step)) if other else None,
        peak_bytes=None,
        import_ns=_mean(own.imports_ns),
        import_ratio=_quotient(own.imports_ns, other.imports_ns) if other else None,
        installed_bytes=None,
        deviation=None,
        bits=bits(own.good, other.good) if other else None,
        loss_difference=estimate.largest_difference([*_losses(own), *_losses(other)]) if other else None,
        python=environment.python.partition(" ")[0] if environment else "",
        changed=facts.changed if facts else (),
    )


def _installed_bytes(run: Run) -> dict[str, int]:
    """Return the size of each environment's packages, by framework and variant."""
    found: dict[str, int] = {}
    for record in run.records:
        if record.environment and record.environment.installed_bytes is not None:
            found.setdefault(record.cell.framework_id, record.environment.installed_bytes)
    return found


def _named(cell: Cell) -> tuple[str, str]:
    return cell.framework, cell.variant


def _first_steps(row: StepRow) -> dict[int, float]:
    return {block: cost.first_ns for block, cost in row.paired.items()}


def _mean(by_block: Mapping[int, float]) -> Estimate | None:
    values = [value for value in by_block.values() if value > 0]
    return estimate.estimate(values) if values else None


def _quotient(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate | None:
    """Return a ÷ b over the blocks in which both are positive; None: there is none."""
    own, other = ({block: value for block, value in by_block.items() if value > 0} for by_block in (a, b))
    return estimate.ratio(own, other)


def _fingerprints(records: Iterable[Record]) -> set[str]:
    return {record.accuracy.fingerprint for record in records if record.accuracy and record.accuracy.fingerprint}


def _losses(side: _Side) -> list[tuple[float, ...]]:
    """Return the losses of the first good replicate, in a list; empty: there is none."""
    return [record.accuracy.losses for record in side.good if record.accuracy][:1]


def _judged(rows: Sequence[VariantRow], ratios: Ratios, floor: float, *, is_first_look: bool) -> tuple[VariantRow, ...]:
    """Return rows with their verdicts: with Holm's procedure over the rows of this table, from six blocks on."""
    paired: dict[Cell, Pair] = {row.cell: pair for row in rows if (pair := ratios.pair(row.ratios))}
    enough = {cell: pair for cell, pair in paired.items() if pair.ratio.count >= FEW_BLOCKS}
    judged = dict(zip(enough, pairs.verdicts(list(enough.values()), floor), strict=True))

    def told(cell: Cell) -> Verdict | None:
        return judged.get(cell) or (estimate.verdict(paired[cell].ratio, floor) if cell in paired else None)

    def verdict(cell: Cell) -> Verdict | None:
        return None if is_first_look or cell not in paired else judged.get(cell, "undetermined")

    return tuple(replace(row, verdict=verdict(row.cell), told=told(row.cell)) for row in rows)
