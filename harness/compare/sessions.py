"""What lies between two sessions: how far the machine itself moved, as both their sentinels saw it.

Replicates of two runs that were not made side by side share no blocks, so what drifts does not cancel. They are
compared as independent samples (Welch 1947, "The generalization of 'Student's' problem", Biometrika 34), and a
difference has to be larger than what the sentinels, the same probes in both sessions, differ by. Without sentinels in
both nobody knows what the machine did between them, and nothing is said.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.records.record import Record
from harness.stats.estimate import VERDICT_FLOOR
from harness.validity import drift, noise_floor
from harness.validity.drift import Probe
from harness.validity.results import Run


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the machine moved between two sessions."""

    value: float  # relative change of the probe that moved farthest, as a ratio's distance from 1
    probe: str


def same_session(a: Run, b: Run) -> bool:
    """Return whether both ran side by side (or are one run): one plan, and each block of both at the same time."""
    if a.facts.id == b.facts.id:
        return True
    spans_a, spans_b = _spans(a.records), _spans(b.records)
    shared = spans_a.keys() & spans_b.keys()
    overlap = (spans_a[one][0] <= spans_b[one][1] and spans_b[one][0] <= spans_a[one][1] for one in shared)
    return a.facts.seed == b.facts.seed and bool(shared) and all(overlap)


def moved(a: Run, b: Run) -> Moved | None:
    """Return how far the machine moved between the sessions of `a` and `b`; None without a probe that both measured."""
    levels_a, levels_b = _levels(a.records), _levels(b.records)
    changes = {probe: abs(math.log(levels_b[probe] / levels_a[probe])) for probe in levels_a.keys() & levels_b.keys()}
    if not changes:
        return None
    farthest = max(changes, key=changes.__getitem__)
    return Moved(value=math.expm1(changes[farthest]), probe=farthest.kind)


def floor(run: Run) -> float:
    """Return what the run's own A/A pair, one cell under two labels, cannot tell apart; 1 % where there is none."""
    found = noise_floor.floor(run.records)
    return max(VERDICT_FLOOR, found.value) if found else VERDICT_FLOOR


def _spans(records: Iterable[Record]) -> Mapping[int, tuple[int, int]]:
    """Return when the timed replicates of each block began and ended, by time.time_ns."""
    found: dict[int, tuple[int, int]] = {}
    for record in records:
        if record.cell.track == "identical":
            begin, end = record.started_unix_ns, record.started_unix_ns + record.wall_ns
            low, high = found.get(record.block, (begin, end))
            found[record.block] = min(low, begin), max(high, end)
    return found


def _levels(records: Iterable[Record]) -> Mapping[Probe, float]:
    """Return the time of each probe of the sentinels in ns per unit of work: the median over their turns."""
    return {probe: statistics.median(seen.values()) for probe, seen in drift.readings(records).items()}
