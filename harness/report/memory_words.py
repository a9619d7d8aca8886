"""What the memory of a run comes to, in a sentence or two."""

from collections.abc import Sequence

from harness.format import listed, mebibytes, significant
from harness.report.facts import Run
from harness.report.tables.memory import MemoryRow


def memory_words(run: Run, rows: Sequence[MemoryRow]) -> str:
    """Return who takes most and least, of the device where it was seen, and whose memory grows; empty of a timed run.

    A timed run opens with its times, and its memory has a table.
    """
    known = [(_peak(row), row) for row in rows if row.status == "ok" and _peak(row)]
    if run.is_timed or not known:
        return ""
    (least, low), (most, high) = (pick(known, key=lambda one: one[0]) for pick in (min, max))
    what = "the allocator's" if any(row.figures.reserved_peak_bytes for _, row in known) else "the resident set's"
    span = f"{mebibytes(most)} MiB ({_name(high)})"
    span = span if len(known) == 1 else f"from {mebibytes(least)} MiB ({_name(low)}) to {span}"
    growing = [row for _, row in known if _grows(row)]
    told = listed([f"{_name(row)} by {_slope(row)} KiB" for row in growing])
    grow = f"With every step grows {told}." if growing else "None is seen to grow from step to step."
    return f"Peak memory, {what}: {span}. {grow}"


def _peak(row: MemoryRow) -> int:
    return row.figures.reserved_peak_bytes or row.figures.host_peak_rss_bytes or 0


def _grows(row: MemoryRow) -> bool:
    return any(found is not None and found.is_seen for found in (row.figures.growth, row.figures.host_growth))


def _slope(row: MemoryRow) -> str:
    seen = [one.per_step for one in (row.figures.growth, row.figures.host_growth) if one is not None and one.is_seen]
    return significant(max(seen) / 1024)


def _name(row: MemoryRow) -> str:
    return f"{row.title} {row.cell.mode}"
