"""Records of a run → the rows that say how far its times can be trusted: proof of mode, compile cost, reproducibility.

Of what the replicates of a cell read back, a row shows the highest count and the distinct words, so that one replicate
that differs cannot hide among the others.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final, Literal

from bench.records.record import CompileCache, Record, Repeat, RepeatKind
from harness.format import Value, rounded, significant, whole
from harness.report.tables.column import CELL, WHO, Column, break_even_hint, break_even_steps, interval_hint
from harness.report.tables.row import Row, by_cell
from harness.report.tables.steps import StepRow
from harness.report.tables.table import Table, rows_in_words
from harness.stats import breakeven, estimate
from harness.stats.breakeven import BreakEven
from harness.stats.estimate import Cost, Estimate
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first step of fresh processes that met the caches in one state."""

    first_step_ns: Estimate | None  # of those whose counters agree that the state was this one
    found: tuple[CompileCache, ...]  # distinct classes, as derived from the counters and the new entries
    hits: int | None
    misses: int | None
    entries: int | None  # files that the first step added
    why: str  # there is no time; empty: there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRow(Row):
    """What a compiled mode costs before it pays, with empty caches and on the caches that a process left."""

    baseline: str  # the mode that it compares with; empty: none
    cold: Start
    warm: Start
    saving_ns: Estimate | None  # per step, against the baseline
    break_even_cold: BreakEven | Literal["never"] | None
    break_even_warm: BreakEven | Literal["never"] | None


def compile_rows(run: Run, steps: Iterable[StepRow]) -> tuple[CompileRow, ...]:
    """Return a row for each training mode that traces or compiles and is not itself what others compare with."""
    found = {row.cell: row for row in steps}
    groups = by_cell(run, "identical")
    return tuple(
        _compile_row(row, found.get(replace(cell, mode=row.baseline)), groups[cell])
        for cell, row in found.items()
        if not row.is_baseline and not row.source and _compiles(groups[cell])
    )


def repeats_of(record: Record, kind: RepeatKind) -> list[Repeat]:
    """Return the repeats of `kind` that belong to `record`."""
    return [one for one in record.repeats if one.kind == kind]


def without_result(repeat: Repeat) -> str:
    """Return why a repeat has no result."""
    return repeat.reason if repeat.status == "skipped" else f"{repeat.status}: {repeat.reason}"


def highest(values: Iterable[int | None]) -> int | None:
    """Return the largest of the values that are known; None when none is."""
    return max((value for value in values if value is not None), default=None)


def _compiles(records: Iterable[Record]) -> bool:
    proofs = [record.proof for record in records if record.proof is not None]
    return any(count is not None for one in proofs for count in (one.traces, one.compilations, one.graphs))


def _compile_row(row: StepRow, baseline: StepRow | None, records: Sequence[Record]) -> CompileRow:
    good = [record for record in records if record.status == "ok"] if row.status != "invalid" else []
    again = {record.block: one for record in good for one in repeats_of(record, "warm")}
    warm = {block: one for block, one in again.items() if one.status == "ok"}
    theirs = baseline.paired if baseline else {}
    cold_costs = {block: row.paired[block] for block in _cold(good) if block in row.paired}
    saving = breakeven.saving(row.paired, theirs)
    return CompileRow(
        cell=row.cell,
        title=row.title,
        status=row.status,
        reason=row.reason,
        baseline=row.baseline,
        cold=_cold_start(good),
        warm=_warm_start(again.values()),
        saving_ns=saving,
        break_even_cold=_break_even(cold_costs, theirs, saving),
        break_even_warm=_break_even(_warm_costs(good, warm), theirs, saving),
    )


def _cold(records: Iterable[Record]) -> dict[int, int]:
    """Return the first step of each replicate that did not find all of it compiled, by block.

    One that found a part compiled met what its own process had kept: its folder of caches was empty.
    """
    return {
        record.block: record.timing.first_step_ns
        for record in records
        if record.timing is not None and record.timing.compile_cache != "warm"
    }


def _cold_start(records: Sequence[Record]) -> Start:
    timings = [record.timing for record in records if record.timing is not None]
    proofs = [record.proof for record in records if record.proof is not None]
    firsts = list(_cold(records).values())
    return Start(
        first_step_ns=estimate.estimate(firsts) if firsts else None,
        found=tuple(dict.fromkeys(timing.compile_cache for timing in timings)),
        hits=highest(proof.cache_hits for proof in proofs),
        misses=highest(proof.cache_misses for proof in proofs),
        entries=highest(timing.cache_entries for timing in timings),
        why="" if firsts else "no replicate met empty caches" if timings else "no good replicate",
    )


def _warm_start(repeats: Iterable[Repeat]) -> Start:
    repeats = list(repeats)
    told = [one for one in repeats if one.status == "ok"]
    firsts = [one.first_step_ns for one in told if _is_warm(one) and one.first_step_ns is not None]
    failed = next((without_result(one) for one in repeats if one.status != "ok"), "")
    missing = "the second process compiled everything anew" if told else failed or "no second process on its caches"
    return Start(
        first_step_ns=estimate.estimate(firsts) if firsts else None,
        found=tuple(dict.fromkeys(one.compile_cache for one in told if one.compile_cache is not None)),
        hits=highest(one.cache_hits for one in told),
        misses=highest(one.cache_misses for one in told),
        entries=highest(one.cache_entries for one in told),
        why="" if firsts else missing,
    )


def _is_warm(repeat: Repeat) -> bool:
    """Return whether the counters agree: a second process that compiled everything anew was not warm."""
    return repeat.compile_cache is not None and repeat.compile_cache != "cold"


def _warm_costs(records: Iterable[Record], warm: Mapping[int, Repeat]) -> dict[int, Cost]:
    costs = {}
    for record in records:
        repeat = warm.get(record.block)
        if repeat is None or record.timing is None or repeat.first_step_ns is None or not _is_warm(repeat):
            continue
        if (cost := estimate.cost(record.timing, repeat.first_step_ns)) is not None:
            costs[record.block] = cost
    return costs


def _break_even(
    mode: Mapping[int, Cost], baseline: Mapping[int, Cost], saving: Estimate | None
) -> BreakEven | Literal["never"] | None:
    """Return the break-even; of a first step known in one block only, with the saving of all blocks."""
    shared = mode.keys() & baseline.keys()
    if len(shared) != 1 or saving is None:
        return breakeven.break_even(mode, baseline)
    (block,) = shared
    return breakeven.break_even_of_one(mode[block].first_ns - baseline[block].first_ns, saving)


def _classes(start: Start) -> Value:
    return ", ".join(start.found)


def _counts(start: Start) -> Value:
    counts = (start.hits, start.misses, start.entries)
    return None if all(one is None for one in counts) else " · ".join(whole(one) for one in counts)


def _start_columns(
    state: str, who: Callable[[CompileRow], Start], says: str, excluded: str, counted: str
) -> tuple[Column[CompileRow], ...]:
    """Return the columns of the first steps that met the caches in `state`, "cold" or "warm"."""

    def first_step_ms(row: CompileRow) -> Value:
        first = who(row).first_step_ns
        return first.value / 1e6 if first else None

    def count(row: CompileRow) -> Value:
        first = who(row).first_step_ns
        return first.count if first else 0

    def hint(row: CompileRow) -> str:
        return who(row).why or interval_hint(who(row).first_step_ns, 1e6, "ms")

    return (
        Column(
            key=f"first_step_{state}_ms",
            heading=state,
            unit="ms",
            format=significant,
            get=first_step_ms,
            hint=hint,
            says=says,
        ),
        Column(key=f"{state}_count", heading=state, unit="n", format=whole, where="wide", folds="always", get=count),
        Column(
            key=f"{state}_class",
            heading=state,
            unit="found",
            folds="always",
            get=lambda row: _classes(who(row)),
            says=f"What those processes found, derived from the counters beside it. {excluded} “none”: the mode keeps"
            " nothing that a later process could use.",
        ),
        Column(
            heading=state,
            unit="hit · missed · new",
            where="wide",
            get=lambda row: _counts(who(row)),
            says="Cache hits and misses as the framework counts them, and files that the first step added where every"
            f" cache lies; the highest of the processes. {counted}",
        ),
        Column(key=f"{state}_cache_hits", get=lambda row: who(row).hits),
        Column(key=f"{state}_cache_misses", get=lambda row: who(row).misses),
        Column(key=f"{state}_cache_entries", get=lambda row: who(row).entries),
    )


def _saving_us(row: CompileRow) -> Value:
    return row.saving_ns.value / 1e3 if row.saving_ns else None


def _saving_end(end: str) -> Callable[[CompileRow], Value]:
    def get(row: CompileRow) -> Value:
        interval = row.saving_ns.interval if row.saving_ns else None
        return getattr(interval, end) / 1e3 if interval else None

    return get


def _saving_hint(row: CompileRow) -> str:
    told = interval_hint(row.saving_ns, 1e3, "µs")
    return f"against {row.baseline}, {told}" if told else ""


def _even_columns(state: str, says: str) -> tuple[Column[CompileRow], ...]:
    def found(row: CompileRow) -> Any:
        return getattr(row, f"break_even_{state}")

    def end(name: str) -> Callable[[CompileRow], Value]:
        return lambda row: getattr(getattr(found(row), "interval", None), name, None)

    return (
        Column(
            key=f"break_even_{state}_steps",
            heading="break-even",
            unit=f"{state}, steps",
            format=rounded,
            get=lambda row: break_even_steps(found(row)),
            hint=lambda row: break_even_hint(found(row)),
            says=says,
        ),
        Column(key=f"break_even_{state}_low", get=end("low")),
        Column(key=f"break_even_{state}_high", get=end("high")),
    )


COMPILE_COLUMNS: Final[tuple[Column[CompileRow], ...]] = (
    *WHO,
    *CELL,
    Column(key="baseline", heading="against", where="wide", get=attrgetter("baseline")),
    *_start_columns(
        "cold",
        attrgetter("cold"),
        says="First step of a process whose caches were empty: trace, compile, run, waited for. Of a loop compiled as a"
        " whole it is the whole loop.",
        excluded="A process that found all of it compiled is not in the time.",
        counted="Hits and misses are those of its whole life.",
    ),
    *_start_columns(
        "warm",
        attrgetter("warm"),
        says="The same in a second process, on the caches that the first one left.",
        excluded="A process that compiled everything anew is not in the time.",
        counted="Hits and misses are those of its first step.",
    ),
    Column(
        key="saving_us",
        heading="saving",
        unit="µs a step",
        format=significant,
        get=_saving_us,
        hint=_saving_hint,
        says="What a step takes less than one of the baseline: the mean of the differences within each block.",
    ),
    Column(key="saving_low_us", get=_saving_end("low")),
    Column(key="saving_high_us", get=_saving_end("high")),
    *_even_columns(
        "cold",
        "Steps after which the mode has earned back its dearer first step, from empty caches: Δ first step ÷ saving per"
        " step. “never”: the interval of the saving includes zero, or lies below it.",
    ),
    *_even_columns(
        "warm", "The same when the caches are already there. The baseline's first step is its own cold one."
    ),
)


def table(found: tuple[CompileRow, ...]) -> Table[CompileRow]:
    """Return the table of compile cost."""
    missing = Counter(row.warm.why for row in found if row.warm.why and not row.cold.why)
    return Table(
        name="compile",
        title="Compile cost",
        about="What each compiled mode costs before it pays: its first step with empty caches, and in a second process"
        " on the caches that the first one left.",
        columns=COMPILE_COLUMNS,
        rows=found,
        is_hole=lambda row: row.cold.first_step_ns is None and row.warm.first_step_ns is None,
        tells_reasons=False,
        remarks=tuple(f"No warm first step in {rows_in_words(count)}: {why}." for why, count in missing.items()),
    )
