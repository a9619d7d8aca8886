"""Who judges the replicates of a run: their own evidence, the machine's state as the harness saw it, its drift."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.records.observation import Observation
from bench.records.record import Record
from harness.report.facts import RunFacts
from harness.stats.flags import Flag
from harness.validity import drift as sentinel
from harness.validity import gates
from harness.validity import machine as state
from harness.validity.finding import Finding, Judge, key_of

DRIFT: Final = Flag(
    name="DRIFT", letter="D", sentence="the machine itself changed by more than 2 % within some block (its sentinels)"
)
WARNINGS: Final[Mapping[str, Flag]] = {  # by the names of harness.validity.machine
    "shared gpu": Flag(name="SHARED", letter="G", sentence="another program used the GPU as well, as was allowed"),
    "power cap": Flag(name="POWERCAP", letter="P", sentence="the power limit held the GPU's clocks down"),
    "unlocked clocks": Flag(name="UNLOCKED", letter="U", sentence="the GPU's clocks were not locked"),
    "sampler": Flag(name="SAMPLER", letter="X", sentence="the sampler took more than 0.5 % of a processor"),
}


def machine(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield what was wrong with the machine while each replicate ran (`harness.validity.machine`)."""
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
    """Yield a finding for each timed replicate of a block in which the machine drifted too far (`sentinel`)."""
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


JUDGES: Final[tuple[Judge, ...]] = (gates.mode, gates.bytes_, gates.caches, machine, drift)
