"""Which cell of one run is which of another; what cannot be matched or compared, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.records.record import Cell, Record
from harness.compare.choice import FIELDS, Choice
from harness.errors import SelectionError
from harness.plan.label import name
from harness.report.tables.steps import StepRow, step_rows
from harness.validity.results import Run

NEAR: Final = ("precision", "size", "optimizer", "device", "allocator")  # that a cell of the other side may differ in

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Some cells of one run."""

    run: Run
    choice: Choice
    label: str  # what tells it from the other side

    @property
    def name(self) -> str:
        """The run and what was chosen of it."""
        return " ".join(filter(None, (self.run.facts.id, self.choice.label)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The same cell on both sides."""

    a: StepRow
    b: StepRow
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A cell without a time to compare it with."""

    cell: Cell
    side: str  # label of the side that has it; empty: both
    why: str


def sides(a: Run, b: Run, chosen: tuple[Choice, Choice]) -> tuple[Side, Side]:
    """Return both sides with labels that tell them apart: what was chosen, or the launchers, or A and B."""
    labels = chosen[0].label, chosen[1].label
    if labels[0] == labels[1] or not all(labels):
        labels = (a.facts.launcher, b.facts.launcher)
    if labels[0] == labels[1]:
        labels = ("A", "B")
    return Side(run=a, choice=chosen[0], label=labels[0]), Side(run=b, choice=chosen[1], label=labels[1])


def match(a: Side, b: Side, *, paired: bool) -> tuple[tuple[Match, ...], tuple[Unmatched, ...]]:
    """Return the cells with a valid time on both sides, `paired` in the same block, and what was not matched.

    Cells are the same when they agree in all fields but those that both sides chose differently.

    Raises:
        SelectionError: an unknown value, or several cells of one side for one of the other.
    """
    free = tuple(field for field in FIELDS if not _are_set_apart(field, a.choice, b.choice))
    mine, theirs = _by_key(a, free), _by_key(b, free)
    found, missing = [], []
    for key in dict.fromkeys((*mine, *theirs)):
        row, peer = mine.get(key), theirs.get(key)
        if row and peer and not (why := _without_time(row, peer, a, b, paired=paired)):
            found.append(Match(a=row, b=peer, what=_what(row.cell, peer.cell)))
        elif row and peer:
            missing.append(Unmatched(cell=row.cell, side="", why=why))
        elif row:
            missing.append(Unmatched(cell=row.cell, side=a.label, why=_absent(row.cell, theirs, b)))
        elif peer:
            missing.append(Unmatched(cell=peer.cell, side=b.label, why=_absent(peer.cell, mine, a)))
    return tuple(found), tuple(missing)


def incomparable(found: Match, a: Side, b: Side) -> str:
    """Return why a cell that both sides have is not the same problem on the same machine; empty when it is."""
    records = [_told(side.run, row.cell) for side, row in ((a, found.a), (b, found.b))]
    for what, one, other in zip(FACTS, *(_facts(record) for record in records), strict=True):
        if one and other and one != other:
            return f"{what}: {one} ({a.label}), {other} ({b.label})"
    return ""


def unlike(a: Side, b: Side) -> tuple[str, ...]:
    """Return a sentence for each thing in which the software differs, with the frameworks that it concerns."""
    found_a, found_b = _software(a.run), _software(b.run)
    sentences: dict[str, list[str]] = {}
    for framework in sorted(found_a.keys() & found_b.keys()):
        for one, other in zip(found_a[framework], found_b[framework], strict=True):
            if one != other and one and other:
                sentences.setdefault(f"{one} ({a.label}), {other} ({b.label})", []).append(framework)
    drivers = a.run.facts.host.driver, b.run.facts.host.driver
    host = (f"driver {drivers[0]} ({a.label}), {drivers[1]} ({b.label})",) if drivers[0] != drivers[1] else ()
    return (*host, *(f"{', '.join(frameworks)}: {what}" for what, frameworks in sentences.items()))


def _are_set_apart(field: str, a: Choice, b: Choice) -> bool:
    return field in a.fields and field in b.fields and a.fields[field] != b.fields[field]


def _by_key(side: Side, free: Sequence[str]) -> Mapping[Key, StepRow]:
    rows = step_rows(side.run)
    side.choice.require((row.cell for row in rows), side.run.facts.id)
    found: dict[Key, StepRow] = {}
    for row in rows:
        if not side.choice.has(row.cell):
            continue
        key = tuple(getattr(row.cell, field) for field in free)
        if key in found:
            both = f"{name(found[key].cell)} and {name(row.cell)}"
            raise SelectionError(f"{side.name}: {both} would both be compared with one cell: name one of them.")
        found[key] = row
    return found


def _without_time(row: StepRow, peer: StepRow, a: Side, b: Side, *, paired: bool) -> str:
    """Return why two rows of one cell cannot be compared; empty when they can."""
    empty = [(side.label, one) for side, one in ((a, row), (b, peer)) if one.step_ns is None]
    if empty:
        return "; ".join(f"{label}: {one.status}" + (f", {one.reason}" if one.reason else "") for label, one in empty)
    return "no finished block in common" if paired and not row.paired.keys() & peer.paired.keys() else ""


def _absent(cell: Cell, others: Mapping[Key, StepRow], side: Side) -> str:
    for field in NEAR:
        near = [getattr(row.cell, field) for row in others.values() if _differ_in(field, row.cell, cell)]
        if near:
            return f"{side.label} has it in another {field} only: {', '.join(dict.fromkeys(near))}"
    return f"not in {side.label}"


def _differ_in(field: str, one: Cell, other: Cell) -> bool:
    return all((getattr(one, each) == getattr(other, each)) == (each != field) for each in FIELDS)


def _what(a: Cell, b: Cell) -> str:
    """Return the cell as messages call it, with both values of what the sides chose differently."""
    return name(
        replace(
            a,
            framework=_either(a.framework, b.framework),
            mode=_either(a.mode, b.mode),
            workload=_either(a.workload, b.workload),
            optimizer=_either(a.optimizer, b.optimizer),
            size=_either(a.size, b.size),
            precision=_either(a.precision, b.precision),
        )
    )


def _either(one: str, other: str) -> str:
    return one if one == other else f"{one} → {other}"


FACTS: Final = ("other processor", "other accelerator", "other number of threads", "other data", "other start")


def _facts(record: Record | None) -> tuple[str, ...]:
    """Return what `FACTS` names, as the replicate read it back; empty where it is not known."""
    where = record.environment if record else None
    what = record.accuracy if record else None
    return (
        where.cpu if where else "",
        where.device_name if where else "",
        str(where.threads) if where else "",
        what.data_sha256[:8] if what else "",
        what.init_sha256[:8] if what else "",
    )


def _told(run: Run, cell: Cell) -> Record | None:
    return next((one for one in run.records if one.cell == cell and one.status == "ok" and one.timing), None)


def _software(run: Run) -> dict[str, tuple[str, str, str]]:
    return dict(_environments(run))


def _environments(run: Run) -> Iterator[tuple[str, tuple[str, str, str]]]:
    for record in run.records:
        if record.environment and record.timing:
            where = record.environment
            image = f"image {where.image}" if where.image else ""
            yield record.cell.framework, (f"Python {where.python}", " ".join(where.versions), image)
