"""What the drift probes of a session say: by how much the machine was faster or slower at the end of a block.

The probes run before each block, and after the last one, which closes the session (track "sentinel"). A probe's figure
is the median of its rounds, a block's drift the relative change of that figure until the probes run next.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.catalogue import DRIFT_PROBE, PROBED_WITHOUT_OWN, TIMED, FrameworkOffer
from bench.records.record import LimitKind, Record
from harness.stats.flags import DRIFT
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, Severity, key_of

LIMIT: Final = 0.02  # more drift than that is too much for a block
ON_DEVICE: Final[tuple[LimitKind, ...]] = ("matmul", "convolution", "triad")  # of a GPU; a launch is its host's work


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftProbe:
    """One operation of one library that is timed to see whether the machine changes.

    Another library does the same operation in another time, and so does another device.
    """

    library: str
    device: str  # "cpu" or "cuda"
    kind: LimitKind
    precision: str
    size: int  # as in bench.records.record.Limit


@dataclass(frozen=True, slots=True)
class Drift:
    """How the machine changed during one block."""

    changes: tuple[tuple[DriftProbe, float], ...]  # relative change of a probe's time: 0.03 is 3 % slower at the end

    @property
    def largest(self) -> tuple[DriftProbe, float]:
        """The largest change in either direction, with its sign."""
        return max(self.changes, key=lambda change: abs(change[1]))


def drifted(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield a finding for each timed replicate of a block in which the machine drifted too far."""
    by_block = drifts(records, facts.frameworks)
    for record in records:
        if record.block not in by_block or record.cell.track not in TIMED:
            continue
        drift = by_block[record.block]
        severity = severity_of(drift, record.cell.device, isolated=facts.isolated)
        if severity:
            probe, change = drift.largest
            reason = f"machine: it changed by {change:+.1%} within the block ({probe.kind})"
            yield Finding(key=key_of(record), reason=reason, flag=None if severity == "invalid" else DRIFT)


def severity_of(drift: Drift, device: str, *, isolated: bool) -> Severity | Literal[""]:
    """Return what a block's drift means for its replicates; empty: nothing.

    Beyond 2 % a block is invalid where the machine belongs to the run alone: what a GPU computes, or processors that
    the kernel keeps free of other work (`isolated`). Elsewhere it is a warning, or hardly a block would be left
    (decision 17).
    """
    beyond = [probe.kind for probe, change in drift.changes if abs(change) > LIMIT]
    if not beyond:
        return ""
    owned = any(kind in ON_DEVICE for kind in beyond) if device == "cuda" else isolated
    return "invalid" if owned else "warn"


def drifts(records: Iterable[Record], frameworks: Iterable[FrameworkOffer]) -> dict[int, Drift]:
    """Return the drift of each block that has good probes before and after it."""
    changes: dict[int, list[tuple[DriftProbe, float]]] = {}
    for probe, by_block in readings(records, frameworks).items():
        for block, before in by_block.items():
            if after := by_block.get(block + 1):
                changes.setdefault(block, []).append((probe, after / before - 1))
    return {block: Drift(tuple(of_block)) for block, of_block in sorted(changes.items())}


def readings(records: Iterable[Record], frameworks: Iterable[FrameworkOffer]) -> dict[DriftProbe, dict[int, float]]:
    """Return the median time of one unit of work in ns, by probe and by the block that the probe ran before.

    `frameworks` say which library each of them computes with.
    """
    libraries = {offer.name: offer.limits or PROBED_WITHOUT_OWN for offer in frameworks}
    times: dict[DriftProbe, dict[int, float]] = {}
    for record in records:
        if record.cell.track == DRIFT_PROBE and record.status == "ok":
            for limit in record.limits:
                probe = DriftProbe(
                    library=libraries.get(record.cell.framework, PROBED_WITHOUT_OWN),
                    device=record.cell.device,
                    kind=limit.kind,
                    precision=limit.precision,
                    size=limit.size,
                )
                times.setdefault(probe, {})[record.block] = statistics.median(limit.round_ns) / limit.work
    return times
