"""The columns of the memory table, as `harness.report.columns` has those of the others."""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from harness.format import Value, mebibytes, percent, significant, times, whole
from harness.report.columns import WHO, Column, context
from harness.report.tables.memory import Growth, MemoryRow

NONE_SEEN: Final = "none"


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
