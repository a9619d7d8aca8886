"""Memory: the highest figures of each cell, in bytes.

    device peak O   memory of the process on the device, sampled from outside (NVML): a lower bound
    reserved R      peak of what the framework's allocator took from the device, by its own count
    allocated A     peak of what the allocator gave to the framework, by its own count
    context         memory of the process on the device before the model was built
    unexplained     O − R − context: kernels, workspaces and pools that the allocator does not count

On a CPU the host figures replace them: resident sets after each phase, and the peaks that the kernel keeps.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Memory
from harness.format import Value, mebibytes, percent, significant, times, whole
from harness.report.tables.column import BATCH, FRAMEWORK_AND_MODE, RANKS, VARIANT, Column, context
from harness.report.tables.row import Row, by_cell, head, ordered
from harness.report.tables.table import Table, rows_in_words
from harness.stats.memory import Figures, Growth, figures, most
from harness.validity.results import Run

NO_GROWTH: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow(Row):
    """One cell: the highest value of each figure over its replicates."""

    figures: Figures


def memory_rows(run: Run) -> tuple[MemoryRow, ...]:
    """Return a row for each cell, from its memory replicates; without these, from its timed replicates."""
    timed = by_cell(run, "identical")
    separate = {replace(cell, track="identical"): records for cell, records in by_cell(run, "memory").items()}
    on_device = any(record.observation and record.observation.device_before_bytes is not None for record in run.records)
    used = run.samples.taken("device_used_bytes") if run.samples and on_device else None
    rows = []
    for cell in ordered(run, {**timed, **separate}):
        records = separate.get(cell) or timed[cell]
        measured = [figures(record, used) for record in records if record.memory is not None]
        while_timed = [record.memory for record in timed.get(cell, ()) if record.memory is not None]
        rows.append(
            MemoryRow(**head(run, cell, records), figures=_with_timed_allocations(_highest(measured), while_timed))
        )
    return tuple(rows)


def peak_bytes(row: MemoryRow) -> int | None:
    """Return the peak that cells of one device are compared by; None: it was not measured."""
    if row.status != "ok":
        return None
    return row.figures.host_peak_rss_bytes if row.cell.device == "cpu" else row.figures.reserved_peak_bytes


def _highest(measured: Sequence[Figures]) -> Figures:
    """Return the highest value of each figure, and the steepest growth."""
    numbers = [
        field.name for field in dataclasses.fields(Figures) if field.name not in ("growth", "host_growth", "why")
    ]
    return Figures(
        **{name: most(getattr(replicate, name) for replicate in measured) for name in numbers},
        growth=_steepest(replicate.growth for replicate in measured),
        host_growth=_steepest(replicate.host_growth for replicate in measured),
        why=next((replicate.why for replicate in measured if replicate.why), ""),
    )


def _with_timed_allocations(highest: Figures, timed: Sequence[Memory]) -> Figures:
    """Return the figures with the device allocations of the timed rounds, where these are known."""
    counts = [memory.device_allocations_timed for memory in timed]
    return replace(highest, device_allocations_timed=most((highest.device_allocations_timed, *counts)))


def _steepest(growths: Iterable[Growth | None]) -> Growth | None:
    known = [growth for growth in growths if growth is not None]
    return max(known, key=lambda growth: growth.per_step, default=None)


def _bytes(key: str, heading: str, unit: str, explanation: str, *, wide: bool = False) -> Column[MemoryRow]:
    """Return a column of bytes, shown in MiB."""
    return Column(
        key=key,
        type="integer",
        heading=heading,
        unit=unit,
        format=mebibytes,
        where="wide" if wide else "all",
        get=attrgetter(f"figures.{key}"),
        explanation=explanation,
    )


def _count(key: str, unit: str, explanation: str) -> Column[MemoryRow]:
    return Column(
        key=key,
        type="integer",
        heading="allocations",
        unit=unit,
        format=whole,
        get=attrgetter(f"figures.{key}"),
        explanation=explanation,
    )


def _growth(name: str, prefix: str, heading: str, explanation: str) -> tuple[Column[MemoryRow], ...]:
    """Return the columns of what a step adds: for people in KiB or "none", for the CSV with its interval."""

    def growth_of(row: MemoryRow) -> Growth | None:
        growth: Growth | None = getattr(row.figures, name)
        return growth

    def part(field: str) -> Callable[[MemoryRow], Value]:
        return lambda row: getattr(growth_of(row), field, None)

    def shown(row: MemoryRow) -> Value:
        growth = growth_of(row)
        return None if growth is None else growth.per_step / 1024 if growth.is_seen else NO_GROWTH

    def hint(row: MemoryRow) -> str:
        growth = growth_of(row)
        return "" if growth is None else f"95 % interval {growth.low:,.1f} to {growth.high:,.1f} bytes per step"

    return (
        Column(heading=heading, unit="KiB per step", format=significant, get=shown, hint=hint, explanation=explanation),
        Column(key=f"{prefix}growth_bytes_per_step", get=part("per_step")),
        Column(key=f"{prefix}growth_low_bytes_per_step", get=part("low")),
        Column(key=f"{prefix}growth_high_bytes_per_step", get=part("high")),
    )


MEMORY_COLUMNS: Final[tuple[Column[MemoryRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *context("workload", "allocator"),
    _bytes("context_bytes", "context", "MiB", "Device memory of the process after its initialisation and before the"
           " model: the driver's context and, if the framework takes it at once, its pool."),
    _bytes("allocated_peak_bytes", "allocated", "peak, MiB", "Peak of what the framework's allocator gave out, by its"
           " own count."),
    _bytes("reserved_peak_bytes", "reserved", "peak, MiB", "Peak of what the allocator took from the device, by its own"
           " count."),
    _bytes("device_peak_bytes", "device", "peak, MiB", "Peak of the process on the device, sampled from outside ten"
           " times a second: a lower bound."),
    _bytes("host_peak_rss_bytes", "peak RSS", "host, MiB", "Peak resident set over the whole life of the process, as"
           " the kernel counts it."),
    _count("device_allocations_warmup", "warm-up", "How often the allocator requested device memory until the end of"
           " the warm-up."),
    _count("device_allocations_timed", "timed", "The same during the timed rounds; expected: 0."),
    _bytes("residue_bytes", "residue", "MiB", "What was still allocated after the model was deleted and garbage"
           " collected."),
    *context("optimizer", "size", "precision", "device"),
    Column(key="status", type="string", get=attrgetter("status")),
    Column(key="reason", type="string", get=attrgetter("reason")),
    Column(
        key="reserved_per_allocated",
        heading="reserved",
        unit="÷ allocated",
        format=times,
        where="wide",
        get=attrgetter("figures.reserved_per_allocated"),
    ),
    _bytes("unexplained_bytes", "unexplained", "MiB", "Device peak minus reserved minus context: kernels, workspaces"
           " and pools that the allocator does not count.", wide=True),
    *_growth("growth", "", "growth", "Allocated memory that each step adds: Theil-Sen slope through the readings after"
             " the rounds; the highest of the replicates. “none”: its 95 % interval includes zero."),
    Column(
        key="fragmentation",
        heading="fragmented",
        format=percent,
        where="wide",
        get=attrgetter("figures.fragmentation"),
        explanation="Share of the reserved but free memory that is outside its largest block, after the last round.",
    ),
    _bytes("emptied_bytes", "emptied", "MiB", "What the allocator still reserved after its cache was emptied.",
           wide=True),
    _bytes("exit_bytes", "after exit", "MiB", "Device memory after the end of the process minus device memory"
           " before its start; expected: 0.", wide=True),
    _bytes("import_rss_bytes", "imported", "host, MiB", "Resident set after the framework was imported."),
    _bytes("build_rss_bytes", "built", "host, MiB", "Resident set after the model was built, before its first step.",
           wide=True),
    _bytes("training_peak_rss_bytes", "training", "peak, MiB", "Peak resident set from the first step to the last,"
           " compilation included; the accuracy check between them is not included.", wide=True),
    *_growth("host_growth", "host_", "host growth", "Resident memory that each step adds, by the same slope. “none”"
             " also when all rounds together add less than 256 KiB, the possible error of the kernel's count."),
    _bytes("host_residue_bytes", "kept", "host, MiB", "Resident set after the model was deleted, minus that before it"
           " was built: compiled code, caches, and what an allocator keeps."),
    _bytes("own_bytes", "own", "host, MiB", "Inputs and initial parameters that the suite itself keeps as NumPy arrays;"
           " part of the host figures from the build on.", wide=True),
    BATCH,
    *RANKS,
    VARIANT,
)  # fmt: skip


def table(rows: tuple[MemoryRow, ...], *, timed: bool) -> Table[MemoryRow]:
    """Return the table of memory; `timed`: the table of steps already gives the reasons."""
    missing = Counter(row.figures.why for row in rows if row.figures.why)
    reasons = "; ".join(f"in {rows_in_words(count)}: {why}" for why, count in missing.items())
    return Table(
        name="memory",
        title="Memory",
        about="The highest figure of all memory replicates. Each is a fresh process, and none of them is timed.",
        columns=MEMORY_COLUMNS,
        rows=rows,
        is_timed=False,
        is_hole=lambda row: row.figures.host_peak_rss_bytes is None or row.status == "skipped",
        shows_reasons=not timed,
        remarks=(f"The allocator's figures are missing {reasons}.",) if missing else (),
    )
