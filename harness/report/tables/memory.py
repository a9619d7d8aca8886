"""Readings of memory → figures of a replicate → the rows of the memory table. Pure, in bytes.

    outer peak O    what was seen from outside (NVML, while the process lived): a lower bound
    reserved R      the framework's allocator's own peak of what it took from the device
    allocated A     its own peak of what it handed out
    context         what the device held for the process before the model was built
    unexplained     O − R − context: kernels, workspaces and pools that the allocator does not know of

On a CPU the process itself stands in for the device: resident sets after each phase, and their kernel-kept peaks.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Memory
from harness.format import Value, mebibytes, percent, significant, times, whole
from harness.report.tables.column import WHO, Column, context
from harness.report.tables.row import Row, by_cell, head, ordered
from harness.report.tables.table import Table, rows_in_words
from harness.stats.memory import Figures, Growth, figures, most
from harness.store import samples as sampled
from harness.validity.results import Run

NONE_SEEN: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow(Row):
    """One cell: the highest of each figure over its replicates."""

    figures: Figures


def memory_rows(run: Run) -> tuple[MemoryRow, ...]:
    """Return a row for each cell whose memory was looked at: in replicates for it, else while it was timed."""
    timed = by_cell(run, "identical")
    apart = {replace(cell, track="identical"): records for cell, records in by_cell(run, "memory").items()}
    used = sampled.taken(run.samples, "device_used_bytes")
    rows = []
    for cell in ordered(run, {**timed, **apart}):
        records = apart.get(cell) or timed[cell]
        seen = [figures(record, used) for record in records if record.memory is not None]
        while_timed = [one.memory for one in timed.get(cell, ()) if one.memory is not None]
        rows.append(MemoryRow(**head(run, cell, records), figures=_while_timed(_highest(seen), while_timed)))
    return tuple(rows)


def _highest(seen: Sequence[Figures]) -> Figures:
    """Return the highest of each figure, and the steepest growth."""
    numbers = [one.name for one in dataclasses.fields(Figures) if one.name not in ("growth", "host_growth", "why")]
    return Figures(
        **{name: most(getattr(one, name) for one in seen) for name in numbers},
        growth=_steepest(one.growth for one in seen),
        host_growth=_steepest(one.host_growth for one in seen),
        why=next((one.why for one in seen if one.why), ""),
    )


def _while_timed(found: Figures, timed: Sequence[Memory]) -> Figures:
    """Return the figures with the device allocations that fell into timed rounds, where there were any."""
    seen = [one.device_allocations_timed for one in timed]
    return replace(found, device_allocations_timed=most((found.device_allocations_timed, *seen)))


def _steepest(found: Iterable[Growth | None]) -> Growth | None:
    return max((one for one in found if one is not None), key=lambda one: one.per_step, default=None)


def _bytes(key: str, heading: str, unit: str, says: str, *, wide: bool = False) -> Column[MemoryRow]:
    """Return a column of bytes, shown in MiB."""
    return Column(
        key=key,
        heading=heading,
        unit=unit,
        format=mebibytes,
        where="wide" if wide else "all",
        get=attrgetter(f"figures.{key}"),
        says=says,
    )


def _count(key: str, unit: str, says: str) -> Column[MemoryRow]:
    return Column(key=key, heading="allocations", unit=unit, format=whole, get=attrgetter(f"figures.{key}"), says=says)


def _growth(name: str, prefix: str, heading: str, says: str) -> tuple[Column[MemoryRow], ...]:
    """Return the columns of what a step adds: for people in KiB, or that nothing is seen; the rest for the CSV."""

    def found(row: MemoryRow) -> Growth | None:
        growth: Growth | None = getattr(row.figures, name)
        return growth

    def part(of: str) -> Callable[[MemoryRow], Value]:
        return lambda row: getattr(found(row), of, None)

    def shown(row: MemoryRow) -> Value:
        growth = found(row)
        return None if growth is None else growth.per_step / 1024 if growth.is_seen else NONE_SEEN

    def hint(row: MemoryRow) -> str:
        growth = found(row)
        return "" if growth is None else f"95 % interval {growth.low:,.1f} to {growth.high:,.1f} bytes per step"

    return (
        Column(heading=heading, unit="KiB per step", format=significant, get=shown, hint=hint, says=says),
        Column(key=f"{prefix}growth_bytes_per_step", get=part("per_step")),
        Column(key=f"{prefix}growth_low_bytes_per_step", get=part("low")),
        Column(key=f"{prefix}growth_high_bytes_per_step", get=part("high")),
    )


MEMORY_COLUMNS: Final[tuple[Column[MemoryRow], ...]] = (
    *WHO,
    *context("workload", "allocator"),
    _bytes("context_bytes", "context", "MiB", "What the device held for the process once it was initialised, before"
           " the model: the driver's context and, where the framework takes it at once, its pool."),
    _bytes("allocated_peak_bytes", "allocated", "peak, MiB", "The most that the framework's allocator handed out, by"
           " its own count."),
    _bytes("reserved_peak_bytes", "reserved", "peak, MiB", "The most that it took from the device, by its own count."),
    _bytes("device_peak_bytes", "device", "peak, MiB", "The most that the device was seen to hold for the process"
           " from outside, ten times a second: a lower bound."),
    _bytes("host_peak_rss_bytes", "peak RSS", "host, MiB", "The peak resident set of the whole life of the process,"
           " as the kernel keeps it."),
    _count("device_allocations_warmup", "warm-up", "How often the allocator asked the device for memory until the end"
           " of the warm-up."),
    _count("device_allocations_timed", "timed", "The same in the rounds after it: should be none."),
    _bytes("residue_bytes", "residue", "MiB", "What the allocator still had handed out once the model was deleted and"
           " garbage collected."),
    *context("optimizer", "size", "precision", "device"),
    Column(key="status", get=attrgetter("status")),
    Column(key="reason", get=attrgetter("reason")),
    Column(
        key="reserved_per_allocated",
        heading="reserved",
        unit="÷ allocated",
        format=times,
        where="wide",
        get=attrgetter("figures.reserved_per_allocated"),
    ),
    _bytes("unexplained_bytes", "unexplained", "MiB", "Device's peak less reserved less context: kernels, workspaces"
           " and pools that the allocator does not know of.", wide=True),
    *_growth("growth", "", "growth", "What a step adds to what is allocated: Theil-Sen slope through the readings of"
             " the rounds, of which the highest replicate; none where its 95 % interval includes zero."),
    Column(
        key="fragmentation",
        heading="fragmented",
        format=percent,
        where="wide",
        get=attrgetter("figures.fragmentation"),
        says="Of what is reserved and not handed out the share outside its largest block, after the last round.",
    ),
    _bytes("emptied_bytes", "emptied", "MiB", "What the allocator still reserved once its cache was emptied.",
           wide=True),
    _bytes("exit_bytes", "after exit", "MiB", "What the device held once the process had gone, above what it held"
           " before: should be none.", wide=True),
    _bytes("import_rss_bytes", "imported", "host, MiB", "Resident set once the framework was imported."),
    _bytes("build_rss_bytes", "built", "host, MiB", "Resident set once the model was built, before its first step.",
           wide=True),
    _bytes("training_peak_rss_bytes", "training", "peak, MiB", "Peak resident set from the first step to the last,"
           " with compiling; the check between them is left out.", wide=True),
    *_growth("host_growth", "host_", "host growth", "What a step adds to the resident set, by the same slope; none also"
             " where that is less in all rounds than the 256 KiB that the kernel's count may be off by."),
    _bytes("host_residue_bytes", "kept", "host, MiB", "Resident once the model was deleted, above what was before it"
           " was built: compiled code, caches, and what an allocator keeps."),
    _bytes("own_bytes", "own", "host, MiB", "Inputs and initial parameters that the suite itself keeps as NumPy arrays,"
           " in the host's figures from the build on.", wide=True),
)  # fmt: skip


def table(found: tuple[MemoryRow, ...], *, timed: bool) -> Table[MemoryRow]:
    """Return the table of memory; `timed`: the run has a table of steps that gives the reasons."""
    missing = Counter(row.figures.why for row in found if row.figures.why)
    told = "; ".join(f"in {rows_in_words(count)} since {why}" for why, count in missing.items())
    return Table(
        name="memory",
        title="Memory",
        about="The highest figure seen in any replicate for memory; a replicate is a fresh process, and none is timed.",
        columns=MEMORY_COLUMNS,
        rows=found,
        is_timed=False,
        is_hole=lambda row: row.figures.host_peak_rss_bytes is None or row.status == "skipped",
        tells_reasons=not timed,
        remarks=(f"Figures of the allocator are missing: {told}.",) if missing else (),
    )
