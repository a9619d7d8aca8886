"""What the types of a record, of the facts and of the plan cannot say, and what reads them relies on.

Each rule yields the path of a value and what is wrong with it. A replicate that measured badly passes here, and is
judged in `harness.validity`; a value that no samestep writes does not.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.catalogue import COLD, DRIFT_PROBE, EXPORT, HELLO, LIMITS, SCALINGS, STREAM, TIMED, export_mode
from bench.records.codec import infinite_number
from bench.records.observation import Energy
from bench.records.record import Accuracy, Cell, Record, Timing
from bench.records.streaming import Streaming
from bench.records.text import field_names
from bench.reference.precision import PRECISIONS
from harness.format import listed
from harness.plan.plan import Plan, is_planned
from harness.plan.request import MOST_SECONDS
from harness.store.facts import RunFacts
from harness.strict import FieldError

NO_NUMBERS: Final = frozenset({str, float, bool, type(None)})  # whose values are no whole numbers

Fault = tuple[str, str]  # the path of a value, and what is wrong with it

LARGEST: Final = 2**63  # what a table, a plot or a file of samples can hold
FIRST_UNIX_NS: Final = -62_135_596_800 * 10**9  # the year 1: an engine says it of a container that never started
LAST_UNIX_NS: Final = 253_402_300_799 * 10**9  # the end of the year 9999
MOST: Final[Mapping[str, int]] = {  # by field: more is no count of anything that ran
    "batch_slices": 10**6,
    "blocks": 10**6,
    "calls_per_round": 2**40,
    "cores": 10**6,
    "position": 10**9,
    "rounds": 10**6,
    "slices": 10**6,
    "steps_per_call": 2**40,
    "threads": 10**6,
    "warm_blocks": 10**6,
}
LEAST: Final[Mapping[str, int]] = {
    "attempt": 1,
    "block": 1,
    "calls_per_round": 1,
    "position": 1,
    "steps_per_call": 1,
    "steps_per_round": 1,
    "work": 1,
}
ANY_SIGN: Final = ("unix_offset_ns",)  # durations are not negative; this is the distance of two clocks
ANY: Final = (
    "seed",  # Python's random numbers take every whole number
    "started_unix_ns",  # of a run and of a record by rules of their own
)
OTHER_TRACKS: Final[Mapping[str, str]] = {  # track: its mode, which no framework offers
    "idiomatic": HELLO,
    LIMITS: LIMITS,
    DRIFT_PROBE: DRIFT_PROBE,
}


def require_record(record: Record) -> Record:
    """Return `record`; raises FieldError for the first rule that it breaks."""
    _require(_record_faults(record))
    return record


def require_facts(facts: RunFacts) -> RunFacts:
    """Return `facts`; raises FieldError for the first rule that they break."""
    _require(_facts_faults(facts))
    return facts


def require_plan(plan: Plan) -> Plan:
    """Return `plan`; raises FieldError for the first rule that it breaks."""
    _require(_plan_faults(plan))
    return plan


def require_of_run(record: Record, facts: RunFacts, planned: Mapping[Cell, set[int]]) -> None:
    """Raise FieldError unless `record` is of a replicate of this run.

    Args:
        record: with its present names, like the others.
        facts: of the run.
        planned: the blocks of each planned cell.
    """
    _require(_foreign(record, facts, planned))


def _require(faults: Iterator[Fault]) -> None:
    for path, problem in faults:
        raise FieldError(path, problem)


def _record_faults(record: Record) -> Iterator[Fault]:
    yield from _number_faults(record)
    yield from _cell_faults("cell", record.cell)
    if not FIRST_UNIX_NS <= record.started_unix_ns <= LAST_UNIX_NS:
        yield "started_unix_ns", "is not between the years 1 and 9999"
    if record.status == "ok":
        yield from _missing(record)
    if record.timing is not None:
        yield from _timing_faults(record.timing)
    if record.accuracy is not None:
        yield from _accuracy_faults(record.accuracy)
    if record.streaming is not None:
        yield from _streaming_faults(record.streaming)
    if record.energy is not None:
        yield from _energy_faults(record.energy)
    for at, limit in enumerate(record.limits):
        if not limit.round_ns:
            yield f"limits[{at}].round_ns", "is empty"
        elif 0 in limit.round_ns and record.status != "ok":  # of a good one it is judged
            yield f"limits[{at}].round_ns[{limit.round_ns.index(0)}]", "is 0: what was timed took some time"


def _missing(record: Record) -> Iterator[Fault]:
    track = record.cell.track
    needed = {"idiomatic": "idiomatic", STREAM: "streaming", **dict.fromkeys(TIMED, "timing")}.get(track)
    if needed and getattr(record, needed) is None:
        yield needed, "is missing although the status is ok"


def _accuracy_faults(accuracy: Accuracy) -> Iterator[Fault]:
    for name, other in (("gradient_norms", "parameters"), ("losses", "reference_losses")):
        own, expected = len(getattr(accuracy, name)), len(getattr(accuracy, other))
        if own != expected and (expected or name == "gradient_norms"):  # losses may have no reference
            yield f"accuracy.{name}", f"has {own} values for {expected} {other}"


def _timing_faults(timing: Timing) -> Iterator[Fault]:
    rounds = len(timing.round_ns)
    for name in ("round_begin_ns", "double_round_ns", "round_cpu_ns", "pipe_ns"):
        if (own := len(getattr(timing, name))) not in (0, rounds):
            yield f"timing.{name}", f"has {own} values for {rounds} rounds"
    if timing.slice_rounds and sum(timing.slice_rounds) != rounds:
        yield "timing.slice_rounds", f"adds up to {sum(timing.slice_rounds)}, there are {rounds} rounds"
    for at, count in enumerate(timing.slice_rounds):
        if count < 1:
            yield f"timing.slice_rounds[{at}]", f"is {count}: a slice has a round"


def _streaming_faults(streaming: Streaming) -> Iterator[Fault]:
    for at, one in enumerate(streaming.passes):
        for name in ("wall_ns", "samples", "batches"):
            if getattr(one, name) < 1:
                yield (
                    f"streaming.passes[{at}].{name}",
                    f"is {getattr(one, name)}: a pass has a batch and takes some time",
                )
        if one.wait_ns + one.step_ns > one.wall_ns:
            yield f"streaming.passes[{at}].wall_ns", "is less than what its parts took"


def _energy_faults(energy: Energy) -> Iterator[Fault]:
    for begin, end in (("idle_begin_ns", "idle_end_ns"), ("begin_ns", "end_ns")):
        if getattr(energy, begin) >= getattr(energy, end):
            yield f"energy.{end}", f"is not after {begin}"
    if energy.steps < 1:
        yield "energy.steps", f"is {energy.steps}: the window has a step"


def _facts_faults(facts: RunFacts) -> Iterator[Fault]:
    yield from _number_faults(facts)
    if not 0 <= facts.started_unix_ns <= LAST_UNIX_NS:
        yield "started_unix_ns", "is not between the years 1970 and 9999"
    if facts.wall_s < 0:
        yield "wall_s", "a duration is not negative"
    if not 0 < facts.timeout_s <= MOST_SECONDS:
        yield "timeout_s", f"is not between 0 and {MOST_SECONDS:g} seconds"
    yield from _variant_faults(facts)
    for at, option in enumerate(facts.selection):
        if "=" not in option:
            yield f"selection[{at}]", "is not an option and its names, such as framework=torch"
    pairs = [(f"frameworks[{at}].environment", offer.environment) for at, offer in enumerate(facts.frameworks)]
    for path, several in [*pairs, ("code", facts.code)]:
        for at, pair in enumerate(several):
            if len(pair) != 2:
                yield f"{path}[{at}]", "is not a name and its value"


def _variant_faults(facts: RunFacts) -> Iterator[Fault]:
    for at, variant in enumerate(facts.variants):
        for field, names in (("lock", (variant.lock,)), ("wheels", variant.wheels)):
            for name in names:
                if name != Path(name).name or name in ("", ".."):
                    yield f"variants[{at}].{field}", f"is {name!r}: it is the name of a file in locks/"


def _plan_faults(plan: Plan) -> Iterator[Fault]:
    yield from _number_faults(plan)
    for at, cell in enumerate(plan.cells):
        yield from _cell_faults(f"cells[{at}]", cell)
    if len(set(plan.cells)) < len(plan.cells):
        twice = next(at for at, cell in enumerate(plan.cells) if cell in plan.cells[:at])
        yield f"cells[{twice}]", "is there twice"
    for block, order in enumerate(plan.order):
        for at, index in enumerate(order):
            if not 0 <= index < len(plan.cells):
                yield f"order[{block}][{at}]", f"is {index}, there are {len(plan.cells)} cells"
        if len(set(order)) < len(order):
            yield f"order[{block}]", "has a cell twice"


def _foreign(record: Record, facts: RunFacts, planned: Mapping[Cell, set[int]]) -> Iterator[Fault]:
    """Yield what says that a record is not of this run: a framework or a mode that was not offered, or another cell."""
    cell = record.cell
    offers = {offer.name: [mode.name for mode in offer.modes] for offer in facts.frameworks}
    if cell.framework not in offers:
        yield "cell.framework", f"run.json has no {cell.framework!r}, only {listed(list(offers))}"
    elif cell.mode not in (*offers[cell.framework], *_other_modes(cell, facts)):
        modes = listed(offers[cell.framework])
        yield "cell.mode", f"{cell.framework} has no {cell.mode!r} in run.json, only {modes}"
    elif cell.variant and cell.variant not in (known := _variants(cell, facts)):
        only = f"only {listed(known)}" if known else "it ran as locked"
        yield "cell.variant", f"run.json has no variant {cell.variant!r} of {cell.framework}, {only}"
    if cell.track == EXPORT:  # it is made when a replicate needs it
        return
    if cell not in planned:
        yield "cell", f"{cell.id} is not in plan.json"
    elif is_planned(record) and record.block not in planned[cell]:
        yield "block", f"{cell.id} has no block {record.block} in plan.json"


def _variants(cell: Cell, facts: RunFacts) -> list[str]:
    return [variant.name for variant in facts.variants if variant.framework == cell.framework]


def _other_modes(cell: Cell, facts: RunFacts) -> Iterator[str]:
    """Yield the modes of a cell's track that no framework offers."""
    if cell.track in OTHER_TRACKS:
        yield OTHER_TRACKS[cell.track]
    if cell.track == EXPORT:
        yield from (export_mode(mode.format or "onnx") for offer in facts.frameworks for mode in offer.modes)
    if cell.track == STREAM:
        offers = (offer for offer in facts.frameworks if offer.name == cell.framework)
        yield from (pipeline.name for offer in offers for pipeline in offer.pipelines)
    if cell.ranks:
        offers = (offer for offer in facts.frameworks if offer.name == cell.framework)
        yield from (strategy.name for offer in offers for strategy in offer.strategies)


def _cell_faults(path: str, cell: Cell) -> Iterator[Fault]:
    needs = cell.track in (*TIMED, "memory", "energy", COLD)
    if cell.batch < 0:
        yield f"{path}.batch", f"is {cell.batch}: it is a number of rows"
    if cell.ranks < 0:
        yield f"{path}.ranks", f"is {cell.ranks}: it is a number of ranks"
    if cell.scaling not in (SCALINGS if cell.ranks else ("",)):
        yield f"{path}.scaling", f"is {cell.scaling!r} with {cell.ranks} ranks"
    if cell.precision not in PRECISIONS and (needs or cell.precision):
        known = listed(list(PRECISIONS))
        yield f"{path}.precision", f"{cell.precision!r} is not a precision that this samestep knows ({known})"


def _number_faults(value: Any) -> Iterator[Fault]:
    if path := infinite_number(value):
        yield path, "is not a finite number"
    yield from _whole_faults("", "", value)


def _whole_faults(path: str, name: str, value: Any) -> Iterator[Fault]:
    """Yield the whole numbers that are too large, too small or, for a duration, negative."""
    if type(value) is int:
        yield from _whole_fault(path, name, value)
    elif isinstance(value, tuple):
        # rounds and losses: there are thousands, so not one by one; of rounds only the ends are looked at
        kinds = set(map(type, value))
        if kinds == {int}:
            for extreme in (min(value), max(value)):
                yield from _whole_fault(f"{path}[{value.index(extreme)}]", name, extreme)
        elif not kinds <= NO_NUMBERS:
            for at, item in enumerate(value):
                yield from _whole_faults(f"{path}[{at}]", name, item)
    else:
        above = f"{path}." if path else ""
        for inner in field_names(type(value)):
            item = getattr(value, inner)
            if type(item) not in NO_NUMBERS:
                yield from _whole_faults(f"{above}{inner}", inner, item)


def _whole_fault(path: str, name: str, number: int) -> Iterator[Fault]:
    if name in ANY:
        return
    if abs(number) >= LARGEST:
        yield path, "is too large"
    elif name.endswith("_ns") and number < 0 and name not in ANY_SIGN:
        yield path, f"is {number}: a duration is not negative"
    elif not LEAST.get(name, -LARGEST) <= number <= MOST.get(name, LARGEST):
        yield path, f"is {number}, which is too {'small' if number < LEAST.get(name, -LARGEST) else 'large'}"
