"""What the rows of all tables begin with: the cell, its status and the reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from bench.records.record import FORWARD_ONLY, Cell, Record, Status, Timing, Track
from harness.validity.results import Run
from harness.validity.validity import WORST_FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every table's row begins with."""

    cell: Cell
    title: str  # what people call the framework
    status: Status
    reason: str  # empty when the status is "ok"
    source: str = ""  # title of the framework whose exported model it runs; empty: none

    @property
    def is_inference(self) -> bool:
        """A step of it is a forward pass, not to be compared with one of training."""
        return infers(self.cell, self.source)


class Head(TypedDict):
    """The fields of `Row`."""

    cell: Cell
    title: str
    status: Status
    reason: str
    source: str


def by_cell(run: Run, track: Track) -> dict[Cell, list[Record]]:
    """Return the records of each cell: in the order of the run's facts, then by name; inference after all training."""
    groups: dict[Cell, list[Record]] = {}
    for record in run.records:
        if record.cell.track == track:
            groups.setdefault(record.cell, []).append(record)
    return {cell: groups[cell] for cell in ordered(run, groups)}


def ordered(run: Run, cells: Iterable[Cell]) -> list[Cell]:
    """Return cells in the order of the run's facts, then by name; inference after all training."""
    place = {
        (framework.name, mode.name): (i, j)
        for i, framework in enumerate(run.facts.frameworks)
        for j, mode in enumerate(framework.modes)
    }
    last = (len(run.facts.frameworks), 0)

    def order(cell: Cell) -> tuple[bool, tuple[int, int], str]:
        mode = cell.framework, cell.mode
        return infers(cell, run.source(*mode)), place.get(mode, last), cell.id

    return sorted(cells, key=order)


def infers(cell: Cell, source: str) -> bool:
    """Return whether a step of `cell`, which runs a model of `source` unless that is empty, is a forward pass."""
    return bool(source) or cell.optimizer == FORWARD_ONLY


def head(run: Run, cell: Cell, records: Sequence[Record]) -> Head:
    """Return what the row of `cell` begins with in every table."""
    status, reason = worst_status(records)
    source = run.source(cell.framework, cell.mode)
    return Head(
        cell=cell, title=run.title(cell.framework), status=status, reason=reason, source=source and run.title(source)
    )


def worst_status(records: Sequence[Record]) -> tuple[Status, str]:
    """Return the worst status and its reason, which says how many replicates it befell when not all."""
    worst = min((record.status for record in records), key=WORST_FIRST.index)
    if worst == "ok":
        return worst, ""
    hit = [record for record in records if record.status == worst]
    share = "" if len(hit) == len(records) else f"{len(hit)} of {len(records)} replicates: "
    return worst, share + hit[0].reason


def good_timings(records: Iterable[Record]) -> dict[int, Timing]:
    """Return the timing of each good replicate, by block."""
    return {record.block: record.timing for record in records if record.status == "ok" and record.timing is not None}
