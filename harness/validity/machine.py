"""Was the machine in a state in which a time means anything? Pure: what was observed → findings, with their severity.

    invalid   the figure is not a figure of this cell: another program on the GPU, throttling, heat, a memory error
    warn      the figure stands, with a letter: power cap, clocks that may move, a sampler that took its share

A field that is empty is no finding: `Observation.missing` has its reason.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.records.observation import Observation
from bench.records.record import Record
from harness.stats.flags import WARNINGS
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of

Severity = Literal["invalid", "warn"]

LEAST_CLOCK_SHARE: Final = 0.97  # of the block's median
MOST_SAMPLER_SHARE: Final = 0.005  # of one processor
LOCKED: Final = "applications clocks setting"  # the reason that the driver gives while clocks are set by a person
POWER_CAP: Final = "sw power cap"
FATAL_EVENTS: Final = ("hw slowdown", "sw thermal slowdown", "hw thermal slowdown", "hw power brake slowdown")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One thing that was not as it should be."""

    severity: Severity
    name: str  # short and stable, such as "foreign process"
    sentence: str  # names the thing and its figure


def disturbances(seen: Observation, block: Sequence[Observation] = ()) -> tuple[Disturbance, ...]:
    """Return what was wrong while one replicate ran.

    Args:
        seen: of the replicate.
        block: of all replicates of its block on the same GPU, itself included or not: what its clock is held to.
    """
    return (*_invalid(seen, block), *_warnings(seen))


def _invalid(seen: Observation, block: Sequence[Observation]) -> Iterator[Disturbance]:
    def found(name: str, sentence: str) -> Disturbance:
        return Disturbance("invalid", name, sentence)

    if seen.foreign and not seen.shared_gpu:
        yield found("foreign process", f"{', '.join(seen.foreign)} used the GPU as well")
    if seen.throttled_periods:
        yield found("cpu throttled", f"a CPU quota stopped it in {seen.throttled_periods} periods (nr_throttled)")
    if events := [event for event in seen.clock_events if event in FATAL_EVENTS]:
        yield found("gpu throttled", f"the GPU was slowed down: {', '.join(events)}")
    if seen.thermal_violation_ns:
        yield found("gpu too hot", f"heat held the GPU's clocks down for {seen.thermal_violation_ns / 1e6:.0f} ms")
    if clock := _low_clock(seen, block):
        yield found("low clock", clock)
    if errors := (seen.ecc_corrected or 0) + (seen.ecc_uncorrected or 0):
        yield found("memory errors", f"{errors} memory errors (ECC) of the GPU")
    if seen.xids:
        yield found("gpu error", f"the driver reported Xid {', '.join(map(str, seen.xids))}")


def _warnings(seen: Observation) -> Iterator[Disturbance]:
    if seen.foreign and seen.shared_gpu:
        yield Disturbance("warn", "shared gpu", f"{', '.join(seen.foreign)} used the GPU as well, as was allowed")
    if POWER_CAP in seen.clock_events or seen.power_violation_ns:
        limit = f" of {seen.power_limit_mw / 1000:.0f} W" if seen.power_limit_mw else ""
        yield Disturbance("warn", "power cap", f"the power limit{limit} held the GPU's clocks down")
    if seen.sm_clock_median_mhz is not None and LOCKED not in seen.clock_events:
        yield Disturbance("warn", "unlocked clocks", "the GPU's clocks are not locked (nvidia-smi --lock-gpu-clocks)")
    share = sampler_share(seen)
    if share is not None and share > MOST_SAMPLER_SHARE:
        yield Disturbance("warn", "sampler", f"the sampler took {share:.1%} of a processor")


def sampler_share(seen: Observation) -> float | None:
    """Return the part of one processor that the sampler took, 0 to 1; None: it was not there."""
    if not seen.sampler_wall_ns or seen.sampler_cpu_ns is None:
        return None
    return seen.sampler_cpu_ns / seen.sampler_wall_ns


def _low_clock(seen: Observation, block: Iterable[Observation]) -> str:
    """Say by how much the clock was below that of the block's other replicates; empty when it was not."""
    clocks = [one.sm_clock_median_mhz for one in block if one.gpu == seen.gpu and one.sm_clock_median_mhz is not None]
    if seen.sm_clock_median_mhz is None or not clocks:
        return ""
    usual = statistics.median(clocks)
    if seen.sm_clock_median_mhz >= LEAST_CLOCK_SHARE * usual:
        return ""
    return (
        f"the GPU ran at {seen.sm_clock_median_mhz} MHz, {seen.sm_clock_median_mhz / usual:.0%} of its block's median"
    )


def judge(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield what was wrong with the machine while each replicate ran (`harness.validity.machine`)."""
    blocks: dict[int, list[Observation]] = {}
    for record in records:
        if record.observation is not None:
            blocks.setdefault(record.block, []).append(record.observation)
    for record in records:
        if record.observation is None:
            continue
        for found in disturbances(record.observation, blocks[record.block]):
            flag = None if found.severity == "invalid" else WARNINGS[found.name]
            yield Finding(key=key_of(record), reason=f"machine: {found.sentence}", flag=flag)
