"""What the sentinels of a session say: by how much the machine was faster or slower at the end of a block.

The sentinel of block k runs before it, that of the block after the last closes the session. A probe's figure is the
median of its rounds (`tracks.drift_probe`), a block's drift the relative change of that figure until the next sentinel.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.catalogue import DRIFT_PROBE
from bench.records.record import LimitKind, Record
from harness.stats.flags import DRIFT
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

LIMIT: Final = 0.02  # drift beyond it is more than a block may have
ON_DEVICE: Final[tuple[LimitKind, ...]] = ("matmul", "convolution", "triad")  # of a GPU; a launch is its host's work

Severity = Literal["", "warn", "invalid"]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a sentinel measures."""

    kind: LimitKind
    precision: str
    size: int  # as in bench.records.record.Limit


@dataclass(frozen=True, slots=True)
class Drift:
    """How the machine changed during one block."""

    changes: tuple[tuple[Probe, float], ...]  # relative change of a probe's time: 0.03 is 3 % slower at the end

    @property
    def largest(self) -> tuple[Probe, float]:
        """The change farthest from none, with its sign."""
        return max(self.changes, key=lambda one: abs(one[1]))


def severity_of(drift: Drift, device: str, *, isolated: bool) -> Severity:
    """Return what a block's drift means for its replicates.

    Beyond 2 % a block is invalid where the machine is the run's alone: what a GPU computes, or processors that the
    kernel keeps free of other work (`isolated`). Elsewhere it is a warning: hardly a block would be left (decision 17).
    """
    beyond = [probe.kind for probe, change in drift.changes if abs(change) > LIMIT]
    if not beyond:
        return ""
    owned = any(kind in ON_DEVICE for kind in beyond) if device == "cuda" else isolated
    return "invalid" if owned else "warn"


def readings(records: Iterable[Record]) -> dict[Probe, dict[int, float]]:
    """Return the median time of one unit of work in ns by probe, then by the block that the sentinel stood before."""
    found: dict[Probe, dict[int, float]] = {}
    for record in records:
        if record.cell.track == DRIFT_PROBE and record.status == "ok":
            for one in record.limits:
                probe = Probe(one.kind, one.precision, one.size)
                found.setdefault(probe, {})[record.block] = statistics.median(one.round_ns) / one.work
    return found


def drift(records: Iterable[Record]) -> dict[int, Drift]:
    """Return the drift of each block that has a good sentinel before it and after it."""
    changes: dict[int, list[tuple[Probe, float]]] = {}
    for probe, by_block in readings(records).items():
        for block, before in by_block.items():
            if after := by_block.get(block + 1):
                changes.setdefault(block, []).append((probe, after / before - 1))
    return {block: Drift(tuple(those)) for block, those in sorted(changes.items())}


def judge(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield a finding for each timed replicate of a block in which the machine drifted too far."""
    drifts = drift(records)
    for record in records:
        if record.block not in drifts or record.cell.track not in ("identical", "twin"):
            continue
        seen = drifts[record.block]
        severity = severity_of(seen, record.cell.device, isolated=facts.isolated)
        if severity:
            probe, change = seen.largest
            reason = f"machine: it changed by {change:+.1%} within the block ({probe.kind})"
            yield Finding(key=key_of(record), reason=reason, flag=None if severity == "invalid" else DRIFT)
