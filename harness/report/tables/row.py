"""What every row of every table has: its cell, its status and the reason; and the order of the rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from bench.catalogue import FrameworkOffer
from bench.records.record import FORWARD_ONLY, Cell, Record, Status, Timing, Track
from harness.validity.results import Run
from harness.validity.validity import WORST_FIRST
from harness.validity.variants import variants as variants_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every row of every table has."""

    cell: Cell
    title: str  # name of the framework for people, with its variant
    status: Status
    reason: str  # empty when the status is "ok"
    source: str = ""  # title of the framework whose exported model the cell runs; empty: none

    @property
    def is_inference(self) -> bool:
        """Whether a step is a forward pass only; it is not compared with a training step."""
        return infers(self.cell, self.source)


class Head(TypedDict):
    """The fields of `Row`, as keyword arguments."""

    cell: Cell
    title: str
    status: Status
    reason: str
    source: str


def by_cell(run: Run, track: Track) -> dict[Cell, list[Record]]:
    """Return the records of each cell of `track`, in the order of `ordered`."""
    groups: dict[Cell, list[Record]] = {}
    for record in run.records:
        if record.cell.track == track:
            groups.setdefault(record.cell, []).append(record)
    return {cell: groups[cell] for cell in ordered(run, groups)}


def ordered(run: Run, cells: Iterable[Cell]) -> list[Cell]:
    """Return cells in the order of the run's facts, then by name; inference after all training.

    Those of one variant of a framework stand together, as those of a framework do.
    """
    positions = {
        (framework.name, name): (i, j)
        for i, framework in enumerate(run.facts.frameworks)
        for j, name in enumerate(_named(framework))
    }
    last = (len(run.facts.frameworks), 0)
    variants = {(framework, name): at for framework, names in variants_of(run).items() for at, name in enumerate(names)}

    def order(cell: Cell) -> tuple[bool, int, int, int, str, int, int, str]:
        key = cell.framework, cell.mode
        work = replace(cell, batch=0, ranks=0, scaling="").id
        infers_ = infers(cell, run.source(*key))
        framework, mode = positions.get(key, last)
        variant = variants.get((cell.framework, cell.variant), 0)
        return infers_, framework, variant, mode, work, cell.batch, cell.ranks, cell.scaling

    return sorted(cells, key=order)


def _named(framework: FrameworkOffer) -> list[str]:
    """Return the names that a cell of `framework` may have as its mode, in the order of the tables."""
    return [
        *(mode.name for mode in framework.modes),
        *(pipeline.name for pipeline in framework.pipelines),
        *(strategy.name for strategy in framework.strategies),
    ]


def infers(cell: Cell, source: str) -> bool:
    """Return whether a step of `cell` is a forward pass: it runs an exported model of `source`, or has no optimiser."""
    return bool(source) or cell.optimizer == FORWARD_ONLY


def head(run: Run, cell: Cell, records: Sequence[Record]) -> Head:
    """Return the fields that the row of `cell` has in every table."""
    status, reason = worst_status(records)
    source = run.source(cell.framework, cell.mode)
    return Head(
        cell=cell, title=run.title(cell.framework_id), status=status, reason=reason, source=source and run.title(source)
    )


def worst_status(records: Sequence[Record]) -> tuple[Status, str]:
    """Return the worst status and its reason; the reason counts the replicates when not all have that status."""
    worst = min((record.status for record in records), key=WORST_FIRST.index)
    if worst == "ok":
        return worst, ""
    affected = [record for record in records if record.status == worst]
    share = "" if len(affected) == len(records) else f"{len(affected)} of {len(records)} replicates: "
    return worst, share + affected[0].reason


def good_timings(records: Iterable[Record]) -> dict[int, Timing]:
    """Return the timing of each good replicate, by block."""
    return {record.block: record.timing for record in records if record.status == "ok" and record.timing is not None}
