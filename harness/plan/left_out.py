"""What a selection names and no cell has, in one line: a size that one of two workloads lacks would go unnoticed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.catalogue import HELLO, Catalogue
from bench.records.record import Cell
from harness.plan import specs
from harness.plan.companions import TIME
from harness.plan.selection import Selection

PAIRED: Final = ("framework", "workload")  # each is expected in every name of the other fields
OWN: Final = ("size", "optimizer")  # fields whose names each workload has for itself
APART: Final = {"framework", "mode"}  # a mode is looked for in all frameworks: one that lacks it is not left out


def sentence(offer: Catalogue, selected: Selection, cells: Sequence[Cell], measured: Sequence[str]) -> str:
    """Return what is left out, grouped by kind; empty: nothing is.

    Args:
        offer: what there is.
        selected: the names of the request.
        cells: those that have the names.
        measured: the names of the measures.
    """
    named = _named(selected)
    parts = [*_names(offer, named, cells), *_pairs(offer, named, cells), *_unmeasured(named, cells, measured)]
    return f"Left out, named but not there: {'; '.join(parts)}." if parts else ""


def _named(selected: Selection) -> Mapping[str, tuple[str, ...]]:
    """Return the names as cells have them."""
    found = {field: names for field, names in selected.given.items() if field != "era"}  # no field of a cell
    if selected.framework:
        found["framework"] = tuple(map(specs.with_underscores, selected.framework))
    if selected.workload:
        found["workload"] = tuple(name.replace("-", "_") for name in selected.workload)
    return found


def _names(offer: Catalogue, named: Mapping[str, Sequence[str]], cells: Sequence[Cell]) -> Iterator[str]:
    """Yield the names that no cell has, by field; a workload with those of its own where these are the reason."""
    for field, names in named.items():
        missing = [name for name in names if not _have(cells, {field: name})]
        if field == "workload":
            yield from (f"{_of(field, [name])}{_lacking(offer, name, named)}" for name in missing)
        elif missing:
            yield _of(field, missing)


def _lacking(offer: Catalogue, workload: str, named: Mapping[str, Sequence[str]]) -> str:
    """Return what a workload has of a field in which it has nothing that was named."""
    owned = {field: _own(offer, workload, field) for field in OWN if field in named}
    lacking = (field for field, own in owned.items() if not set(own) & set(named[field]))
    return next((f" (it has {_of(field, owned[field])})" for field in lacking), "")


def _pairs(offer: Catalogue, named: Mapping[str, Sequence[str]], cells: Sequence[Cell]) -> Iterator[str]:
    """Yield the frameworks and workloads that have cells, but none with one of the other names."""
    for field in PAIRED:
        for name in named.get(field, ()):
            if not _have(cells, {field: name}):
                continue
            for other, others in named.items():
                if other == field or {field, other} == APART or (field, other) == PAIRED[::-1]:
                    continue
                missing = [
                    value
                    for value in others
                    if _have(cells, {other: value}) and not _have(cells, {field: name, other: value})
                ]
                if missing:
                    yield f"{name} with {_of(other, missing)}{_instead(offer, field, name, other)}"


def _instead(offer: Catalogue, field: str, name: str, other: str) -> str:
    """Return what a workload has of the other field."""
    has = _own(offer, name, other) if field == "workload" and other in OWN else ()
    return f" (it has {', '.join(has)})" if has else ""


def _own(offer: Catalogue, workload: str, field: str) -> tuple[str, ...]:
    """Return the sizes or the optimizers of a workload."""
    offered = (each for each in offer.workloads if each.name == workload)
    return next((each.sizes if field == "size" else each.optimizers for each in offered), ())


def _unmeasured(named: Mapping[str, Sequence[str]], cells: Sequence[Cell], measured: Sequence[str]) -> Iterator[str]:
    """Yield the hello worlds that a run without times leaves out: they are the cold start of a whole program."""
    if TIME not in measured and HELLO in named.get("mode", ()) and _have(cells, {"mode": HELLO}):
        yield f"mode {HELLO} with {_of('measure', measured)} (it has {TIME})"


def _have(cells: Sequence[Cell], values: Mapping[str, str]) -> bool:
    return any(all(_value(cell, field) == value for field, value in values.items()) for cell in cells)


def _value(cell: Cell, field: str) -> str:
    """Return what a cell has in a field, as it is typed."""
    return cell.framework_id if field == "framework" else str(getattr(cell, field))


def _of(field: str, names: Sequence[str]) -> str:
    return f"{field} {names[0]}" if len(names) == 1 else f"{field}s {', '.join(names)}"
