"""Which cell of one run is which of another; what cannot be matched or compared, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.records.record import Cell, Record
from bench.turns.variables import pair
from harness.compare.choice import FIELDS, Choice
from harness.errors import SelectionError
from harness.plan import specs
from harness.plan.label import name, ranks
from harness.report.tables.steps import StepRow, step_rows
from harness.validity.results import Run
from harness.validity.variants import LOCKED

# Fields in which a cell of the other side may differ, to say why a cell has no counterpart.
NEAR: Final = ("variant", "precision", "size", "optimizer", "device", "allocator", "batch", "ranks", "scaling")
FACTS: Final = ("other processor", "other accelerator", "other number of threads", "other data", "other start")

PER_REPLICATE: Final = ("PYTHONHASHSEED",)  # variables that differ between the replicates of every run
LONGEST_VALUE: Final = 80  # characters of a variable's value in a sentence

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Some cells of one run."""

    run: Run
    choice: Choice
    label: str  # names it in contrast to the other side

    @property
    def name(self) -> str:
        """The run's id and the chosen values."""
        return " ".join(filter(None, (self.run.facts.id, self.choice.label)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The same cell on both sides."""

    a: StepRow
    b: StepRow
    what: str  # the cell in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A cell without a time to compare it with."""

    cell: Cell
    side: str  # label of the side that has it; empty: both
    why: str


def sides(a: Run, b: Run, chosen: tuple[Choice, Choice]) -> tuple[Side, Side]:
    """Return both sides with different labels: what was chosen, or the launchers, or A and B."""
    labels = chosen[0].label, chosen[1].label
    if labels[0] == labels[1] or not all(labels):
        labels = (a.facts.launcher, b.facts.launcher)
    if labels[0] == labels[1]:
        labels = ("A", "B")
    return Side(run=a, choice=chosen[0], label=labels[0]), Side(run=b, choice=chosen[1], label=labels[1])


def match_cells(a: Side, b: Side, *, paired: bool) -> tuple[tuple[Match, ...], tuple[Unmatched, ...]]:
    """Return the cells with a valid time on both sides, `paired` in the same block, and what was not matched.

    Cells are the same when they agree in all fields but those that both sides chose differently.

    Raises:
        SelectionError: an unknown value, or several cells of one side for one of the other.
    """
    shared = _shared(a.choice, b.choice)
    rows_a, rows_b = _by_key(a, shared), _by_key(b, shared)
    matches, missing = [], []
    for key in dict.fromkeys((*rows_a, *rows_b)):
        row, peer = rows_a.get(key), rows_b.get(key)
        if row and peer and not (why := _without_time(row, peer, a, b, paired=paired)):
            matches.append(Match(a=row, b=peer, what=_what(row.cell, peer.cell)))
        elif row and peer:
            missing.append(Unmatched(cell=row.cell, side="", why=why))
        elif row:
            missing.append(Unmatched(cell=row.cell, side=a.label, why=_absent(row.cell, rows_b, b)))
        elif peer:
            missing.append(Unmatched(cell=peer.cell, side=b.label, why=_absent(peer.cell, rows_a, a)))
    return tuple(matches), tuple(missing)


def incomparable(match: Match, a: Side, b: Side) -> str:
    """Return why a cell that both sides have is not the same problem on the same machine; empty when it is."""
    facts_a, facts_b = facts_of(a.run, match.a.cell), facts_of(b.run, match.b.cell)
    for difference, fact_a, fact_b in zip(FACTS, facts_a, facts_b, strict=True):
        if fact_a and fact_b and fact_a != fact_b:
            return f"{difference}: {fact_a} ({a.label}), {fact_b} ({b.label})"
    return ""


def unlike(a: Side, b: Side) -> tuple[str, ...]:
    """Return a sentence for each thing in which the software differs, with the frameworks that it concerns."""
    software_a, software_b = dict(software(a)), dict(software(b))
    sentences: dict[str, list[str]] = {}
    for framework, id_a, id_b in _counterparts(software_a, software_b):
        for part_a, part_b in zip(software_a[id_a], software_b[id_b], strict=True):
            if part_a != part_b and part_a and part_b:
                sentences.setdefault(f"{part_a} ({a.label}), {part_b} ({b.label})", []).append(framework)
    drivers = a.run.facts.host.driver, b.run.facts.host.driver
    host = (f"driver {drivers[0]} ({a.label}), {drivers[1]} ({b.label})",) if drivers[0] != drivers[1] else ()
    for framework, sentence in _other_variables(a, b):
        sentences.setdefault(sentence, []).append(framework)
    return (*host, *(f"{', '.join(frameworks)}: {sentence}" for sentence, frameworks in sentences.items()))


def _counterparts(a: Iterable[str], b: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (name, framework of a, framework of b): what both sides have, and two variants of one framework."""
    ids_a, ids_b = set(a), set(b)
    both = ids_a & ids_b
    yield from ((each, each, each) for each in sorted(both))
    for framework in sorted({specs.framework(each) for each in ids_a - both}):
        own, other = ([each for each in ids - both if specs.framework(each) == framework] for ids in (ids_a, ids_b))
        if len(own) == len(other) == 1:
            yield framework, own[0], other[0]


def _other_variables(a: Side, b: Side) -> Iterator[tuple[str, str]]:
    """Yield (framework, sentence) of each variable that the replicates of a framework had on one side only, or other.

    A sentence has both values unless one is long, as PATH is. Records of before schema 7 have no variables.
    """
    variables_a, variables_b = _variables(a), _variables(b)
    for framework, id_a, id_b in _counterparts(variables_a, variables_b):
        ours, theirs = variables_a[id_a], variables_b[id_b]
        for variable in sorted(ours.keys() | theirs.keys()):
            value_a, value_b = _listed(ours.get(variable)), _listed(theirs.get(variable))
            if value_a != value_b and max(len(value_a), len(value_b)) <= LONGEST_VALUE:
                yield framework, f"variable {variable} {value_a} ({a.label}), {value_b} ({b.label})"
            elif value_a != value_b:
                yield framework, f"variable {variable} is not the same"


def _listed(values: frozenset[str] | None) -> str:
    return " or ".join(sorted(values)) if values else "not set"


def _variables(side: Side) -> dict[str, dict[str, frozenset[str]]]:
    """Return by framework and name the values that the variables of its chosen timed replicates had."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for record in side.run.records:
        if record.environment and record.timing and side.choice.has(record.cell):
            of_framework = found.setdefault(record.cell.framework_id, {})
            for name, value in map(pair, record.environment.variables):
                if name not in PER_REPLICATE:
                    of_framework[name] = of_framework.get(name, frozenset()) | {value}
    return {framework: values for framework, values in found.items() if values}


def _shared(a: Choice, b: Choice) -> tuple[str, ...]:
    """Return the fields in which cells of both sides have to agree: all but those that the sides chose differently.

    Of two variants of one framework that is the variant.
    """
    differ = {field for field in FIELDS if _chosen_differently(field, a, b)}
    if "framework" in differ:
        differ.add("variant")
        names_a, names_b = (set(map(specs.framework, choice.fields["framework"])) for choice in (a, b))
        differ -= {"framework"} if names_a == names_b else set()
    return tuple(field for field in FIELDS if field not in differ)


def _chosen_differently(field: str, a: Choice, b: Choice) -> bool:
    if field == "scaling" and ("0",) in (a.fields.get("ranks"), b.fields.get("ranks")):  # a plain step has none
        return _chosen_differently("ranks", a, b)
    return field in a.fields and field in b.fields and a.fields[field] != b.fields[field]


def _by_key(side: Side, shared: Sequence[str]) -> Mapping[Key, StepRow]:
    """Return the chosen rows of a side by the fields that both sides must agree in."""
    rows = step_rows(side.run)
    side.choice.require((row.cell for row in rows), side.run.facts.id)
    by_key: dict[Key, StepRow] = {}
    for row in rows:
        if not side.choice.has(row.cell):
            continue
        key = tuple(getattr(row.cell, field) for field in shared)
        if key in by_key:
            both = f"{name(by_key[key].cell)} and {name(row.cell)}"
            raise SelectionError(f"{side.name}: {both} would both be compared with one cell: name one of them.")
        by_key[key] = row
    return by_key


def _without_time(row: StepRow, peer: StepRow, a: Side, b: Side, *, paired: bool) -> str:
    """Return why two rows of one cell cannot be compared; empty when they can."""
    sides = ((a.label, row), (b.label, peer))
    reasons = [
        f"{label}: {side.status}" + (f", {side.reason}" if side.reason else "")
        for label, side in sides
        if side.step_ns is None
    ]
    if reasons:
        return "; ".join(reasons)
    return "no finished block in common" if paired and not row.paired.keys() & peer.paired.keys() else ""


def _absent(cell: Cell, others: Mapping[Key, StepRow], side: Side) -> str:
    """Return why `side` has no counterpart of `cell`."""
    for field in NEAR:
        found = (getattr(row.cell, field) for row in others.values() if _differ_only_in(field, row.cell, cell))
        near = [LOCKED if field == "variant" and not value else str(value) for value in found]
        if near:
            return f"{side.label} has it in another {field} only: {', '.join(dict.fromkeys(near))}"
    return f"not in {side.label}"


def _differ_only_in(field: str, cell: Cell, other: Cell) -> bool:
    return all((getattr(cell, name) == getattr(other, name)) == (name != field) for name in FIELDS)


def _what(a: Cell, b: Cell) -> str:
    """Return the cell in words, with both values of a field that the sides chose differently."""
    both = name(
        replace(
            a,
            framework=_either(a.framework_id, b.framework_id),
            variant="",
            mode=_either(a.mode, b.mode),
            workload=_either(a.workload, b.workload),
            optimizer=_either(a.optimizer, b.optimizer),
            size=_either(a.size, b.size),
            precision=_either(a.precision, b.precision),
        )
    )
    return both if ranks(a) == ranks(b) else f"{both} → {(ranks(b) or ', plain').removeprefix(', ')}"


def _either(a: str, b: str) -> str:
    return a if a == b else f"{a} → {b}"


def facts_of(run: Run, cell: Cell) -> tuple[str, ...]:
    """Return what `FACTS` compares, as the first good replicate of `cell` read it back; empty where it is not known."""
    good = (record for record in run.records if record.cell == cell and record.status == "ok" and record.timing)
    record = next(good, None)
    environment = record.environment if record else None
    accuracy = record.accuracy if record else None
    return (
        environment.cpu if environment else "",
        _accelerator(run, record) if record else "",
        str(environment.threads) if environment else "",
        accuracy.data_sha256[:8] if accuracy else "",
        accuracy.init_sha256[:8] if accuracy else "",
    )


def _accelerator(run: Run, record: Record) -> str:
    """Return the model of what a replicate computed on; empty: it is not known.

    Older records name the processor where they ran on a GPU: then the run says which GPUs its host has.
    """
    environment, gpu = record.environment, run.facts.host.gpu
    if environment is None:
        return ""
    named = environment.device_name
    if record.cell.device != "cuda" or (named and named != environment.cpu):
        return named
    return "" if ", " in gpu else gpu


def software(side: Side) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield (framework with its variant, (interpreter, versions, image)) of each timed replicate that is chosen."""
    for record in side.run.records:
        if record.environment and record.timing and side.choice.has(record.cell):
            environment = record.environment
            image = f"image {environment.image}" if environment.image else ""
            software = (f"Python {environment.python}", " ".join(environment.versions), image)
            yield record.cell.framework_id, software
