"""Scaling: what a step takes over several ranks, and what of it is the exchange between them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

from harness.format import NONE, Value, listed, mebibytes, percent, rounded, significant, times, whole
from harness.plan import label
from harness.report.tables.column import (
    CELL,
    FRAMEWORK_AND_MODE,
    RANKS,
    VARIANT,
    Column,
    extent_span,
    interval_hint,
    narrow_half_width,
    narrow_interval,
    wide_span,
)
from harness.report.tables.first_step import first_step_hint, several_calls
from harness.report.tables.scaling_row import ScalingRow
from harness.report.tables.table import Table, rows_in_words
from harness.report.words import FEW, count, labelled, names
from harness.stats.estimate import Estimate
from harness.stats.flags import OVERHEAD, legend
from harness.stats.scaling import MOST_OVERHEAD


def remarks(rows: Sequence[ScalingRow]) -> tuple[str, ...]:
    """Return what a reader of these rows needs to know besides their figures."""
    missing = Counter(row.why_no_communication for row in rows if row.why_no_communication and row.cell.ranks > 1)
    unread = Counter(row.parallel.why for row in rows if row.parallel and row.parallel.why and row.cell.ranks > 1)
    return (
        *_processes(rows),
        *_same_parameters(rows),
        *_dear(rows),
        *(f"No communication share in {rows_in_words(count)}: {_stopped(why)}" for why, count in missing.items()),
        *(f"Collectives not read in {rows_in_words(count)}: {_stopped(why)}" for why, count in unread.items()),
        *_without_one_rank(rows),
        *several_calls((row.cell, row.step.first_calls) for row in rows),
    )


def _processes(rows: Iterable[ScalingRow]) -> Iterator[str]:
    several = [row for row in rows if row.cell.ranks > 1 and row.parallel]
    in_one = [row for row in several if row.parallel and row.parallel.processes == 1]
    if in_one:
        rest = "; the others have a process for each rank" if len(in_one) < len(several) else ""
        yield f"One process with a device for each rank: {names(in_one)}{rest}."


def _same_parameters(rows: Iterable[ScalingRow]) -> Iterator[str]:
    known = [row for row in rows if row.status == "ok" and row.agrees is not None]
    if known and all(row.agrees for row in known):
        cells = f"all {len(known)} cells" if len(known) > 1 else "the cell"
        yield f"After the steps of the check all ranks held the same parameters to the last bit (SHA-256), in {cells}."


def _dear(rows: Iterable[ScalingRow]) -> Iterator[str]:
    dear = [f"{label.name(row.cell)} ({in_words(row.overhead)})" for row in rows if OVERHEAD in row.flags]
    if dear:
        more = [f"{len(dear) - FEW} more"] if len(dear) > FEW else []
        most = percent(MOST_OVERHEAD - 1)
        yield f"One rank takes more than {most} longer than the plain step: {listed([*dear[:FEW], *more])}."


def _without_one_rank(rows: Iterable[ScalingRow]) -> Iterator[str]:
    without = [row for row in rows if row.cell.ranks > 1 and row.step_ns and row.efficiency is None]
    if without:
        yield f"No efficiency in {rows_in_words(len(without))}: there is no time of the same strategy over one rank."


def in_words(of: Estimate | None, format_: Callable[[Value], str] = times) -> str:
    """Return an estimate with its interval."""
    if of is None:
        return NONE
    interval = f", {significant(of.interval.low)} to {significant(of.interval.high)}" if of.interval else ""
    return f"{format_(of.value)}{interval}"


def _stopped(sentence: str) -> str:
    return f"{sentence.rstrip('.')}."


def sentence(rows: Iterable[ScalingRow]) -> str:
    """Say which part of the ideal speed-up the strategies reach, from the least to the most; empty: it is not known.

    The strategies at both ends are named where their intervals are apart from those of all others.
    """
    groups: dict[tuple[int, str], list[ScalingRow]] = {}
    for row in rows:
        if row.efficiency is not None and row.status == "ok":
            groups.setdefault((row.cell.ranks, row.cell.scaling), []).append(row)
    if not groups:
        return ""
    texts: dict[int, list[str]] = {}
    for (ranks, kind), of in sorted(groups.items()):
        texts.setdefault(ranks, []).append(f"{kind} {_range(of)}")
    blocks = min(row.efficiency.count for of in groups.values() for row in of if row.efficiency)
    over = [f"over {ranks} ranks: {', '.join(kinds)}" for ranks, kinds in texts.items()]
    return labelled(f"Scaling efficiency {'; '.join(over)}.", blocks)


def _range(rows: Sequence[ScalingRow]) -> str:
    """Return the efficiency of one row with its interval, or from what to what those of several are."""
    ordered = sorted(rows, key=lambda row: row.efficiency.value if row.efficiency else 0.0)
    low, high = ordered[0], ordered[-1]
    works = len({(row.cell.workload, row.cell.size) for row in rows}) > 1
    if low is high:
        return f"{in_words(low.efficiency, significant)} ({_named(low, works=False)})"
    ends = [
        _short(row, works=works, named=all(_is_apart(row, other) for other in rows if other is not row))
        for row in (low, high)
    ]
    return f"from {' to '.join(ends)}"


def _short(row: ScalingRow, *, works: bool, named: bool) -> str:
    value = significant(row.efficiency.value) if row.efficiency else NONE
    return f"{value} ({_named(row, works=works)})" if named else value


def _named(row: ScalingRow, *, works: bool) -> str:
    return f"{row.name} on {row.cell.workload} {row.cell.size}" if works else row.name


def _is_apart(a: ScalingRow, b: ScalingRow) -> bool:
    one, other = (row.efficiency.interval if row.efficiency else None for row in (a, b))
    return one is not None and other is not None and (one.high < other.low or other.high < one.low)


def _of(name: str) -> Callable[[ScalingRow], Value]:
    """Return the getter of one field of what was read back."""
    return lambda row: getattr(row.parallel, name) if row.parallel else None


def _scaled(name: str, size: float) -> Callable[[ScalingRow], Value]:
    get = attrgetter(name)
    return lambda row: None if get(row) is None else get(row) / size


def _value(name: str, size: float = 1.0) -> Callable[[ScalingRow], Value]:
    get = attrgetter(name)
    return lambda row: known.value / size if (known := get(row)) else None


def _end(name: str, end: str, size: float = 1.0) -> Callable[[ScalingRow], Value]:
    get = attrgetter(name)
    return lambda row: getattr(known.interval, end) / size if (known := get(row)) and known.interval else None


def _estimated(
    name: str, heading: str, unit: str, format_: Callable[[Value], str], explanation: str, **more: Any
) -> tuple[Column[ScalingRow], ...]:
    """Return the columns of an estimate: its value, on the page its interval as well, and in the CSV both ends."""
    get, low, high = _value(name), _end(name, "low"), _end(name, "high")
    return (
        Column(key=name, heading=heading, unit=unit, format=format_, get=get, explanation=explanation, **more),
        Column(
            heading="95 % interval",
            unit=heading,
            where="wide",
            get=lambda row: None if low(row) is None else f"{format_(low(row))} – {format_(high(row))}",
        ),
        Column(key=f"{name}_low", get=low),
        Column(key=f"{name}_high", get=high),
    )


def _hint(row: ScalingRow) -> str:
    """Return of how many blocks the efficiency is, and whether they tell it from 1."""
    if row.efficiency is None:
        return ""
    return f"{count(row.efficiency.count, 'block')}; {'not told apart from 1' if row.told == 'not told' else row.told}"


def _without_exchange(row: ScalingRow) -> str:
    return row.why_no_communication


SCALING_COLUMNS: Final[tuple[Column[ScalingRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    *RANKS,
    Column(
        key="step_us",
        heading="step",
        unit="µs",
        format=significant,
        get=_value("step_ns", 1e3),
        instead=lambda row: extent_span(row.step_ns, 1e3),
        interval=lambda row: narrow_interval(row.step_ns, 1e3),
        hint=lambda row: interval_hint(row.step_ns, 1e3, "µs"),
    ),
    Column(heading="95 %", unit="±", where="wide", format=percent, get=lambda row: narrow_half_width(row.step_ns)),
    Column(key="step_low_us", get=_end("step_ns", "low", 1e3)),
    Column(key="step_high_us", get=_end("step_ns", "high", 1e3)),
    Column(
        key="samples_per_s",
        heading="samples",
        unit="per s",
        format=rounded,
        get=attrgetter("per_second"),
        explanation="Of all ranks together.",
    ),
    Column(
        key="speedup",
        heading="speed-up",
        format=times,
        where="wide",
        get=_value("speedup"),
        instead=lambda row: wide_span(row.speedup),
        explanation="Samples a second ÷ those over one rank: the efficiency times the number of ranks.",
    ),
    *_estimated(
        "efficiency",
        "efficiency",
        "",
        significant,
        "Strong, the ranks share one batch: t₁ ÷ (n · tₙ). Weak, each rank has a batch of its own: t₁ ÷ tₙ. t₁ is the"
        " step of the same strategy over one rank, paired by block.",
        instead=lambda row: wide_span(row.efficiency),
        interval=lambda row: narrow_interval(row.efficiency),
        hint=_hint,
    ),
    *_estimated(
        "communication",
        "exchange",
        "of step",
        percent,
        "1 − step without the exchange ÷ step with it, from rounds that took turns in the same processes. As measured:"
        " where the exchange costs hardly anything, noise makes it negative.",
        hint=_without_exchange,
    ),
    *_estimated(
        "overhead",
        "1 rank",
        "÷ plain",
        times,
        "The step over one rank ÷ the framework's plain step, paired by block: what the strategy costs where there is"
        " nobody to exchange with.",
        instead=lambda row: wide_span(row.overhead),
        interval=lambda row: narrow_interval(row.overhead),
        hint=lambda row: f"against {row.plain}" if row.overhead else "",
    ),
    Column(key="plain", type="string", get=lambda row: row.plain or None),
    Column(
        key="efficiency_is",
        type="string",
        heading="is",
        get=attrgetter("told"),
        explanation="Whether the blocks tell the efficiency from 1: its whole interval lies outside the noise floor,"
        " and from six blocks on the other conditions of a verdict hold as well.",
    ),
    Column(
        key="first_step_ms",
        heading="first step",
        unit="ms",
        format=significant,
        get=_value("step.first_step_ns", 1e6),
        instead=lambda row: extent_span(row.step.first_step_ns, 1e6),
        hint=lambda row: first_step_hint(row.step.first_step_ns, row.step.first_calls),
    ),
    Column(
        key="start_ms",
        heading="start",
        unit="ms",
        format=significant,
        where="wide",
        get=_scaled("start_ns", 1e6),
        explanation="From the start of the other ranks' processes until all are ready to build; median.",
    ),
    Column(
        key="memory_bytes",
        heading="memory",
        unit="MiB",
        format=mebibytes,
        get=attrgetter("memory_bytes"),
        explanation="Peak resident sets of all ranks' processes together, at the end; pages that they share count in"
        " each. Median.",
    ),
    Column(key="processes", type="integer", heading="processes", format=whole, where="wide", get=_of("processes")),
    Column(key="backend", type="string", heading="backend", where="wide", get=_of("backend")),
    Column(
        key="operations",
        type="strings",
        heading="collectives",
        where="wide",
        get=lambda row: " ".join(row.parallel.operations) or None if row.parallel else None,
    ),
    Column(
        key="collectives",
        type="integer",
        heading="collectives",
        unit="per step",
        format=whole,
        where="wide",
        get=_of("collectives"),
        hint=lambda row: row.parallel.evidence if row.parallel else "",
    ),
    Column(
        key="reduced_bytes",
        type="integer",
        heading="reduced",
        unit="MiB per step",
        format=mebibytes,
        where="wide",
        get=_of("reduced_bytes"),
        explanation="Bytes that each rank hands to the collectives of a step.",
    ),
    Column(key="flags", type="strings", get=lambda row: " ".join(flag.name for flag in row.flags)),
    Column(
        heading="flags",
        kind="flags",
        get=lambda row: " ".join(flag.letter for flag in row.flags),
        hint=lambda row: "; ".join(flag.sentence for flag in row.flags),
    ),
    Column(
        key="replicates",
        type="integer",
        heading="replicates",
        format=whole,
        where="wide",
        folds="always",
        get=attrgetter("step.replicates"),
    ),
    Column(key="samples", type="integer", get=_of("rows")),
    VARIANT,
)


def table(rows: tuple[ScalingRow, ...]) -> Table[ScalingRow]:
    """Return the table of data-parallel steps."""
    return Table(
        name="scaling",
        title="Scaling",
        about="One training step over several ranks: processes or devices that each compute a part of the global batch"
        " and average their gradients. Every rank has as many processors as a plain step. Each mode is a strategy of"
        " the framework.",
        columns=SCALING_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: row.step_ns is None,
        flags=legend(flag for row in rows for flag in row.flags),
        remarks=remarks(rows),
    )
