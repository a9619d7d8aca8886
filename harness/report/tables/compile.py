"""Compile cost: the first step with empty caches and with filled ones, and the break-even of each.

A row shows the highest count of its replicates and all their distinct texts. So a replicate that differs stays visible.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

from bench.records.record import CompileCache, Record, Repeat, RepeatKind
from harness.format import Value, rounded, significant, whole
from harness.report.tables.column import (
    BATCH,
    BREAK_EVEN_WORDS,
    CELL,
    FRAMEWORK_AND_MODE,
    VARIANT,
    Column,
    break_even_hint,
    break_even_interval,
    break_even_span,
    break_even_steps,
    extent_span,
    interval_hint,
    narrow_interval,
    wide_span,
)
from harness.report.tables.first_step import first_step_hint, several_calls
from harness.report.tables.row import Row, by_cell
from harness.report.tables.steps import StepRow
from harness.report.tables.table import Table, rows_in_words
from harness.stats import breakeven, estimate
from harness.stats.breakeven import Outcome
from harness.stats.estimate import Cost, Estimate
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first steps of fresh processes with the caches in one state: empty (cold) or filled (warm)."""

    first_step_ns: Estimate | None  # of the processes whose counters confirm the state
    classes: tuple[CompileCache, ...]  # distinct states, derived from the counters and the new files
    hits: int | None
    misses: int | None
    entries: int | None  # cache files that the first step added
    why: str  # reason that there is no time; empty: there is one
    calls: int = 1  # of a first step: the first, and those after it up to the last that compiled; the most


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRow(Row):
    """The compile cost of a mode, with empty caches and with the caches that a first process filled."""

    baseline: str  # the mode that it is compared with; empty: none
    cold: Start
    warm: Start
    speedup: Estimate | None  # of a step, as in the table of steps
    saving_ns: Estimate | None  # per step, against the baseline
    break_even_cold: Outcome | None
    break_even_warm: Outcome | None


def compile_rows(run: Run, steps: Iterable[StepRow]) -> tuple[CompileRow, ...]:
    """Return a row for each training mode that traces or compiles and is not a baseline."""
    rows = {row.cell: row for row in steps}
    groups = by_cell(run, "identical")
    return tuple(
        _compile_row(row, rows.get(replace(cell, mode=row.baseline)), groups[cell])
        for cell, row in rows.items()
        if not row.is_baseline and not row.source and _compiles(groups[cell])
    )


def repeats_of(record: Record, kind: RepeatKind) -> list[Repeat]:
    """Return the repeats of `kind` that belong to `record`."""
    return [repeat for repeat in record.repeats if repeat.kind == kind]


def without_result(repeat: Repeat) -> str:
    """Return why a repeat has no result."""
    return repeat.reason if repeat.status == "skipped" else f"{repeat.status}: {repeat.reason}"


def highest(values: Iterable[int | None]) -> int | None:
    """Return the largest known value; None when none is known."""
    return max((value for value in values if value is not None), default=None)


def _compiles(records: Sequence[Record]) -> bool:
    proofs = [record.proof for record in records if record.proof is not None]
    if any(record.timing.settling_ns for record in records if record.timing is not None):
        return True  # seen by its time alone
    return any(count is not None for proof in proofs for count in (proof.traces, proof.compilations, proof.graphs))


def _compile_row(row: StepRow, baseline: StepRow | None, records: Sequence[Record]) -> CompileRow:
    good = [record for record in records if record.status == "ok"] if row.status != "invalid" else []
    repeats = {record.block: repeat for record in good for repeat in repeats_of(record, "warm")}
    warm = {block: repeat for block, repeat in repeats.items() if repeat.status == "ok"}
    baseline_costs = baseline.paired if baseline else {}
    cold_costs = {block: row.paired[block] for block in _cold(good) if block in row.paired}
    return CompileRow(
        cell=row.cell,
        title=row.title,
        status=row.status,
        reason=row.reason,
        baseline=row.baseline,
        cold=_cold_start(good),
        warm=_warm_start(repeats.values()),
        speedup=row.speedup,
        saving_ns=breakeven.saving(baseline_costs, row.ratios),
        break_even_cold=_break_even(row, cold_costs, baseline_costs),
        break_even_warm=_break_even(row, _warm_costs(good, warm), baseline_costs),
    )


def _cold(records: Iterable[Record]) -> dict[int, int]:
    """Return the first step in ns of each replicate whose caches were not warm, by block.

    A replicate that found a part compiled counts as cold: the part came from its own process, its cache folder was
    empty.
    """
    return {
        record.block: estimate.to_steady_ns(record.timing)
        for record in records
        if record.timing is not None and record.timing.compile_cache != "warm"
    }


def _cold_start(records: Sequence[Record]) -> Start:
    timings = [record.timing for record in records if record.timing is not None]
    proofs = [record.proof for record in records if record.proof is not None]
    firsts = list(_cold(records).values())
    return Start(
        first_step_ns=estimate.estimate(firsts) if firsts else None,
        classes=tuple(dict.fromkeys(timing.compile_cache for timing in timings)),
        hits=highest(proof.cache_hits for proof in proofs),
        misses=highest(proof.cache_misses for proof in proofs),
        entries=highest(timing.cache_entries for timing in timings),
        why="" if firsts else "no replicate had empty caches" if timings else "no good replicate",
        calls=max((1 + len(timing.settling_ns) for timing in timings), default=1),
    )


def _warm_start(repeats: Iterable[Repeat]) -> Start:
    repeats = list(repeats)
    good = [repeat for repeat in repeats if repeat.status == "ok"]
    firsts = [sum(_calls(repeat)) for repeat in good if is_warm(repeat) and repeat.first_step_ns is not None]
    failed = next((without_result(repeat) for repeat in repeats if repeat.status != "ok"), "")
    missing = "the second process compiled everything again" if good else failed or "no second process used its caches"
    return Start(
        first_step_ns=estimate.estimate(firsts) if firsts else None,
        classes=tuple(dict.fromkeys(repeat.compile_cache for repeat in good if repeat.compile_cache is not None)),
        hits=highest(repeat.cache_hits for repeat in good),
        misses=highest(repeat.cache_misses for repeat in good),
        entries=highest(repeat.cache_entries for repeat in good),
        why="" if firsts else missing,
        calls=max((1 + len(repeat.settling_ns) for repeat in good), default=1),
    )


def _calls(repeat: Repeat) -> tuple[int, ...]:
    """Return the durations in ns of its calls until the mode was steady; empty: it ended before."""
    return () if repeat.first_step_ns is None else (repeat.first_step_ns, *repeat.settling_ns)


def is_warm(repeat: Repeat) -> bool:
    """Return whether the counters confirm warm caches; not when the second process compiled everything again."""
    return repeat.compile_cache is not None and repeat.compile_cache != "cold"


def _warm_costs(records: Iterable[Record], warm: Mapping[int, Repeat]) -> dict[int, Cost]:
    costs = {}
    for record in records:
        repeat = warm.get(record.block)
        if repeat is None or record.timing is None or repeat.first_step_ns is None or not is_warm(repeat):
            continue
        if (cost := estimate.cost(record.timing, _calls(repeat))) is not None:
            costs[record.block] = cost
    return costs


def _break_even(row: StepRow, mode: Mapping[int, Cost], baseline: Mapping[int, Cost]) -> Outcome | None:
    """Return the break-even. If the first step is known in one block only, use the ratio of steps of all blocks."""
    if row.speedup is None or not row.ratios:
        return None
    ratio = row.speedup.inverse
    shared = mode.keys() & baseline.keys() & row.ratios.keys()
    if len(shared) != 1 or ratio.count < 2:
        return breakeven.break_even(mode, baseline, row.ratios, ratio)
    (block,) = shared
    return breakeven.break_even_of_one(mode[block], baseline[block], ratio)


def _classes(start: Start) -> Value:
    return ", ".join(start.classes)


def _counts(start: Start) -> Value:
    counts = (start.hits, start.misses, start.entries)
    return None if all(count is None for count in counts) else " · ".join(whole(count) for count in counts)


def _start_columns(
    state: str, start: Callable[[CompileRow], Start], explanation: str, excluded: str, counted: str
) -> tuple[Column[CompileRow], ...]:
    """Return the columns of the first steps with the caches in `state`, "cold" or "warm"."""

    def first_step_ms(row: CompileRow) -> Value:
        first = start(row).first_step_ns
        return first.value / 1e6 if first else None

    def count(row: CompileRow) -> Value:
        first = start(row).first_step_ns
        return first.count if first else 0

    def hint(row: CompileRow) -> str:
        first = start(row)
        return first.why or first_step_hint(first.first_step_ns, first.calls)

    return (
        Column(
            key=f"first_step_{state}_ms",
            heading=state,
            unit="ms",
            format=significant,
            get=first_step_ms,
            instead=lambda row: extent_span(start(row).first_step_ns, 1e6),
            interval=lambda row: narrow_interval(start(row).first_step_ns, 1e6),
            hint=hint,
            explanation=explanation,
        ),
        Column(
            key=f"{state}_count",
            type="integer",
            heading=state,
            unit="n",
            format=whole,
            where="wide",
            folds="always",
            get=count,
        ),
        Column(
            key=f"{state}_class",
            type="string",
            heading=state,
            unit="observed",
            folds="always",
            get=lambda row: _classes(start(row)),
            explanation="The state of the caches that the processes had, derived from the counters."
            f" {excluded} “none”: the mode keeps nothing that a later process can use.",
        ),
        *_cache_columns(state, start, counted),
    )


def _cache_columns(state: str, start: Callable[[CompileRow], Start], counted: str) -> tuple[Column[CompileRow], ...]:
    """Return the columns of what the caches did."""
    return (
        Column(
            heading=state,
            unit="hits · misses · new",
            where="wide",
            get=lambda row: _counts(start(row)),
            explanation="Cache hits and misses as the framework counts them, and new files in the cache folder after"
            f" the first step; the highest of the processes. {counted}",
        ),
        Column(key=f"{state}_cache_hits", type="integer", get=lambda row: start(row).hits),
        Column(key=f"{state}_cache_misses", type="integer", get=lambda row: start(row).misses),
        Column(key=f"{state}_cache_entries", type="integer", get=lambda row: start(row).entries),
    )


def _saving_us(row: CompileRow) -> Value:
    return row.saving_ns.value / 1e3 if row.saving_ns else None


def _saving_end(end: str) -> Callable[[CompileRow], Value]:
    def get(row: CompileRow) -> Value:
        interval = row.saving_ns.interval if row.saving_ns else None
        return getattr(interval, end) / 1e3 if interval else None

    return get


def _saving_hint(row: CompileRow) -> str:
    interval = interval_hint(row.saving_ns, 1e3, "µs")
    return f"against {row.baseline}, {interval}; {_saves(row)}" if interval else ""


def _saves(row: CompileRow) -> str:
    """Return whether a step saves time, as the ratio of the steps tells it."""
    interval = row.speedup.interval if row.speedup else None
    if interval is None or interval.low <= 1 < interval.high:
        return "not told from no saving"
    return "a saving" if interval.low > 1 else "no saving"


def _break_even_columns(state: str, explanation: str) -> tuple[Column[CompileRow], ...]:
    def break_even(row: CompileRow) -> Any:
        return getattr(row, f"break_even_{state}")

    def end(name: str) -> Callable[[CompileRow], Value]:
        return lambda row: getattr(getattr(break_even(row), "interval", None), name, None)

    return (
        Column(
            key=f"break_even_{state}_steps",
            type="integer",
            words=BREAK_EVEN_WORDS,
            heading="break-even",
            unit=f"{state}, steps",
            format=rounded,
            get=lambda row: break_even_steps(break_even(row)),
            instead=lambda row: break_even_span(break_even(row)),
            interval=lambda row: break_even_interval(break_even(row)),
            hint=lambda row: break_even_hint(break_even(row)),
            explanation=explanation,
        ),
        Column(key=f"break_even_{state}_low", get=end("low")),
        Column(key=f"break_even_{state}_high", get=end("high")),
    )


COMPILE_COLUMNS: Final[tuple[Column[CompileRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(key="baseline", type="string", heading="against", where="wide", get=attrgetter("baseline")),
    *_start_columns(
        "cold",
        attrgetter("cold"),
        explanation="First step of a process with empty caches: trace, compile, run, and wait for the device, in all"
        " calls up to the last that compiles or captures. A call of a loop compiled as a whole is the whole loop.",
        excluded="The time does not include a process that found everything compiled.",
        counted="Hits and misses are counted over the whole life of the process.",
    ),
    *_start_columns(
        "warm",
        attrgetter("warm"),
        explanation="First step of a second process, with the caches that the first one filled.",
        excluded="The time does not include a process that compiled everything again.",
        counted="Hits and misses are counted during its first step.",
    ),
    Column(
        key="saving_us",
        heading="saving",
        unit="µs per step",
        format=significant,
        get=_saving_us,
        instead=lambda row: wide_span(row.saving_ns, 1e3),
        interval=lambda row: narrow_interval(row.saving_ns, 1e3),
        hint=_saving_hint,
        explanation="Time per step of the baseline minus that of the mode: the mean of the differences within each"
        " block. Whether it is a saving is judged by the ratio of the steps.",
    ),
    Column(key="saving_low_us", get=_saving_end("low")),
    Column(key="saving_high_us", get=_saving_end("high")),
    *_break_even_columns(
        "cold",
        "Number of steps after which the mode has amortised its compile cost, with empty caches: from there on, the"
        " mean logarithm of its total cost ÷ that of the baseline lies below 0. “never”: its step is told to be slower"
        " or no faster. “not told”: more blocks are needed.",
    ),
    *_break_even_columns("warm", "The same with filled caches. The first step of the baseline is its cold one."),
    Column(key="cold_calls", type="integer", get=attrgetter("cold.calls")),
    Column(key="warm_calls", type="integer", get=attrgetter("warm.calls")),
    BATCH,
    VARIANT,
)


def table(rows: tuple[CompileRow, ...]) -> Table[CompileRow]:
    """Return the table of compile cost."""
    missing = Counter(row.warm.why for row in rows if row.warm.why and not row.cold.why)
    return Table(
        name="compile",
        title="Compile cost",
        about="The first step of each compiled mode, with empty caches (cold) and in a second process with the caches"
        " that the first one filled (warm), and the number of steps until the compile cost is amortised.",
        columns=COMPILE_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.cold.first_step_ns is None and row.warm.first_step_ns is None,
        shows_reasons=False,
        remarks=(
            *several_calls((row.cell, max(row.cold.calls, row.warm.calls)) for row in rows),
            *(f"No warm first step in {rows_in_words(count)}: {why}." for why, count in missing.items()),
        ),
    )
