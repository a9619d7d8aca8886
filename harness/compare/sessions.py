"""Whether two runs are one session; if not, how far the machine moved between them, by the drift probes of both.

Replicates of two runs that were not made side by side share no blocks, so drift does not cancel. They are compared as
independent samples (Welch 1947, "The generalization of 'Student's' problem", Biometrika 34), and a difference has to be
larger than that of the drift probes, which are the same calls of the same library in both sessions. Without such probes
in both it is not known how the machine changed between them, and there is no verdict.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.records.record import Record
from harness.validity.drift import DriftProbe, readings
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far the machine moved between two sessions."""

    value: float  # relative change of the probe that moved farthest, as a ratio's distance from 1
    probe: str  # its kind


def same_session(a: Run, b: Run) -> bool:
    """Return whether both ran side by side (or are one run): one plan, and each block of both at the same time."""
    if a is b:
        return True
    spans_a, spans_b = spans(a.records), spans(b.records)
    shared = spans_a.keys() & spans_b.keys()
    overlap = (spans_a[block][0] <= spans_b[block][1] and spans_b[block][0] <= spans_a[block][1] for block in shared)
    return a.facts.seed == b.facts.seed and bool(shared) and all(overlap)


def moved(a: Run, b: Run) -> Moved | None:
    """Return how far the machine moved between the sessions of `a` and `b`; None without a probe that both measured."""
    levels_a, levels_b = levels(a), levels(b)
    changes = {probe: abs(math.log(levels_b[probe] / levels_a[probe])) for probe in levels_a.keys() & levels_b.keys()}
    if not changes:
        return None
    farthest = max(changes, key=changes.__getitem__)
    return Moved(value=math.expm1(changes[farthest]), probe=farthest.kind)


def spans(records: Iterable[Record]) -> Mapping[int, tuple[int, int]]:
    """Return when the timed replicates of each block began and ended, by time.time_ns."""
    found: dict[int, tuple[int, int]] = {}
    for record in records:
        if record.cell.track == "identical":
            begin, end = record.started_unix_ns, record.started_unix_ns + record.wall_ns
            low, high = found.get(record.block, (begin, end))
            found[record.block] = min(low, begin), max(high, end)
    return found


def probed(run: Run) -> tuple[str, ...]:
    """Return the libraries whose calls the drift probes of a run timed; none: it has no drift probes."""
    return tuple(sorted({probe.library for probe in levels(run)}))


def levels(run: Run) -> Mapping[DriftProbe, float]:
    """Return the time of each drift probe in ns per unit of work: the median over its turns."""
    times = readings(run.records, run.facts.frameworks)
    return {probe: statistics.median(by_block.values()) for probe, by_block in times.items()}
