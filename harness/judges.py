"""What the machine did to a replicate, as findings: its state as the harness saw it, the drift of its block.

A judge looks at all records of a run, so that it can hold one against the others of its block. What it finds makes a
replicate invalid, or earns its cell a letter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.observation import Observation
from bench.record import Cell, Record
from harness import sentinel, state
from harness.report.facts import RunFacts
from harness.report.flags import Flag

DRIFT: Final = Flag(
    name="DRIFT", letter="D", sentence="the machine itself changed by more than 2 % within some block (its sentinels)"
)
WARNINGS: Final[Mapping[str, Flag]] = {  # by the names of harness.state
    "shared gpu": Flag(name="SHARED", letter="G", sentence="another program used the GPU as well, as was allowed"),
    "power cap": Flag(name="POWERCAP", letter="P", sentence="the power limit held the GPU's clocks down"),
    "unlocked clocks": Flag(name="UNLOCKED", letter="U", sentence="the GPU's clocks were not locked"),
    "sampler": Flag(name="SAMPLER", letter="X", sentence="the sampler took more than 0.5 % of a processor"),
}

Key = tuple[Cell, int, int]  # cell, block, attempt: one process


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with one replicate."""

    key: Key
    reason: str  # one sentence
    flag: Flag | None = None  # the warning that it earns; None: it is invalid


Judge = Callable[[Sequence[Record], RunFacts], Iterable[Finding]]


def key_of(record: Record) -> Key:
    """Return what tells one process of a run from all others."""
    return record.cell, record.block, record.attempt


def machine(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield what was wrong with the machine while each replicate ran (`harness.state`)."""
    blocks: dict[int, list[Observation]] = {}
    for record in records:
        if record.observation is not None:
            blocks.setdefault(record.block, []).append(record.observation)
    for record in records:
        if record.observation is None:
            continue
        for found in state.findings(record.observation, blocks[record.block]):
            flag = None if found.severity == "invalid" else WARNINGS[found.name]
            yield Finding(key=key_of(record), reason=f"machine: {found.sentence}", flag=flag)


def drift(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield a finding for each timed replicate of a block in which the machine drifted too far (`harness.sentinel`)."""
    drifts = sentinel.drift(records)
    for record in records:
        if record.block not in drifts or record.cell.track not in ("identical", "twin"):
            continue
        seen = drifts[record.block]
        severity = sentinel.severity(seen, record.cell.device, isolated=facts.isolated)
        if severity:
            probe, change = seen.largest
            reason = f"machine: it changed by {change:+.1%} within the block ({probe.kind})"
            yield Finding(key=key_of(record), reason=reason, flag=None if severity == "invalid" else DRIFT)


JUDGES: Final[tuple[Judge, ...]] = (machine, drift)
