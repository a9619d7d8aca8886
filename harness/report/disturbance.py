"""The sentences that open the report of a session too disturbed to tell anything apart: what moved, and by whom."""

import statistics
from collections.abc import Sequence
from typing import Final

from harness.format import difference
from harness.report.tables.limits import WORDS
from harness.report.tables.steps import StepRow
from harness.report.words import count
from harness.stats.estimate import cpu_share, verdict
from harness.stats.flags import LEAST_CPU_SHARE, is_precise
from harness.validity import noise_floor
from harness.validity.drift import drifts
from harness.validity.results import Run

MOST_FLOOR: Final = 0.25  # a session whose A/A control differs by more tells hardly anything apart


def disturbance_sentences(run: Run, rows: Sequence[StepRow]) -> tuple[str, ...]:
    """Return what was too disturbed and what disturbed it; nothing for a session that tells something apart."""
    what = _what(run, rows)
    if not what:
        return ()
    moved = _moved(run)
    return tuple(filter(None, (f"{what}{f': {moved}' if moved else ''}.", _load(run))))


def _what(run: Run, rows: Sequence[StepRow]) -> str:
    measured = noise_floor.floor(run)
    floor = noise_floor.floor_of(run)
    if measured and measured.count > 1 and floor > MOST_FLOOR:
        differs = f"one cell under two labels, differs by {difference(floor)}"
        return f"This session was too disturbed: its A/A control, {differs}"
    compared = [row for row in rows if row.ratios and row.speedup is not None and row.speedup.interval is not None]
    told = [row for row in compared if row.speedup and verdict(row.speedup, floor) != "undetermined"]
    precise = [row for row in compared if row.speedup and is_precise(row.speedup, row.cell.device)]
    if compared and not told and not precise:
        return "This session was too disturbed to tell any mode from its baseline"
    return ""


def _moved(run: Run) -> str:
    """Return which drift probe moved most within a block, and by how much; empty: there is none."""
    changed = drifts(run.records, run.facts.frameworks)
    if not changed:
        return ""
    block = max(changed, key=lambda each: abs(changed[each].largest[1]))
    probe, change = changed[block].largest
    return f"its drift probe ({WORDS[probe.kind]}) changed by {change:+.0%} within block {block}"


def _load(run: Run) -> str:
    """Return who used the processors, as far as it was observed."""
    loads = [
        record.observation.load_percent / 100
        for record in run.records
        if record.observation is not None and record.observation.load_percent is not None
    ]
    timings = [record.timing for record in run.records if record.timing and record.cell.device == "cpu"]
    robbed = sum(cpu_share(timing) < LEAST_CPU_SHARE for timing in timings)
    parts = []
    if loads:
        parts.append(
            f"the load average when its replicates started was {statistics.median(loads):.1f} in the median and"
            f" {max(loads):.1f} at most, of which the run itself makes about 1"
        )
    if robbed:
        share = f"{robbed} of {count(len(timings), 'replicate')}"
        parts.append(f"the rounds of {share} got less than {LEAST_CPU_SHARE:.0%} of a processor")
    return f"Other work used the processor: {', and '.join(parts)}." if robbed or max(loads, default=0) > 1.5 else ""
