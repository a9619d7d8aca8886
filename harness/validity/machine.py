"""Was the machine in a state in which a time means anything? What the harness observed from outside → findings.

    invalid   the figure is not a figure of this cell: another program on the GPU, throttling, heat, a memory error
    warn      the figure counts, with a flag: power cap, clocks that may change, a sampler that used too much processor

An empty field gives no finding: `Observation.missing` has its reason.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.observation import Observation
from bench.records.record import Record
from harness.stats.flags import WARNINGS
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, Severity, key_of

LEAST_CLOCK_SHARE: Final = 0.97  # of the block's median
MOST_SAMPLER_SHARE: Final = 0.005  # of one processor
# What the driver's reasons for clocks below the highest say (nvml.h), in the phases that are measured:
#   invalid  heat, by the driver or by the hardware, and the power brake: the clocks are halved or worse
#   warn     the power limit; other GPUs' clocks (sync boost)
#   nothing  idle; clocks that a person, a display, the board or its voltage sets: they are the same in each replicate.
#            "hw slowdown" alone: heat and brake set it beside their own reasons, and so does every change of clocks.
#            What else would lower clocks shows in them
FATAL_EVENTS: Final = ("sw thermal slowdown", "hw thermal slowdown", "hw power brake slowdown")
POWER_CAP: Final = "sw power cap"
FOLLOWING: Final = "sync boost"
SET: Final = "applications clocks setting"  # by a person; locked clocks (--lock-gpu-clocks) may give no reason at all
CLOCK_STEP_MHZ: Final = 15  # distance of the clocks that a GPU can be set to; locked clocks change by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """One thing that was not as it should be."""

    severity: Severity
    name: str  # short and stable, such as "foreign process"
    sentence: str  # names the thing and its figure


def disturbed(records: Sequence[Record], facts: RunFacts) -> Iterator[Finding]:
    """Yield what was wrong with the machine while each replicate ran."""
    blocks: dict[int, list[Observation]] = {}
    for record in records:
        if record.observation is not None:
            blocks.setdefault(record.block, []).append(record.observation)
    for record in records:
        if record.observation is None:
            continue
        for disturbance in disturbances(record.observation, blocks[record.block]):
            flag = None if disturbance.severity == "invalid" else WARNINGS[disturbance.name]
            yield Finding(key=key_of(record), reason=f"machine: {disturbance.sentence}", flag=flag)


def disturbances(observed: Observation, block: Sequence[Observation] = ()) -> tuple[Disturbance, ...]:
    """Return what was wrong while one replicate ran.

    Args:
        observed: of the replicate.
        block: of all replicates of its block, itself included or not: its clock is compared with theirs.
    """
    return (
        *(Disturbance(severity="invalid", name=name, sentence=text) for name, text in _invalid(observed, block)),
        *(Disturbance(severity="warn", name=name, sentence=text) for name, text in _warnings(observed)),
    )


def sampler_share(observed: Observation) -> float | None:
    """Return the part of one processor that the sampler took, 0 to 1; None: it did not run."""
    if not observed.sampler_wall_ns or observed.sampler_cpu_ns is None:
        return None
    return observed.sampler_cpu_ns / observed.sampler_wall_ns


def _invalid(observed: Observation, block: Sequence[Observation]) -> Iterator[tuple[str, str]]:
    """Yield name and sentence of what makes the replicate invalid."""
    if observed.foreign and not observed.shared_gpu:
        yield "foreign process", f"{', '.join(observed.foreign)} used the GPU as well"
    if observed.throttled_periods:
        yield "cpu throttled", f"a CPU quota stopped it in {observed.throttled_periods} periods (nr_throttled)"
    if events := [event for event in observed.clock_events if event in FATAL_EVENTS]:
        yield "gpu throttled", f"the GPU was slowed down: {', '.join(events)}"
    if observed.thermal_violation_ns:
        yield "gpu too hot", f"heat held the GPU's clocks down for {observed.thermal_violation_ns / 1e6:.0f} ms"
    if clock := _low_clock(observed, block):
        yield "low clock", clock
    if errors := (observed.ecc_corrected or 0) + (observed.ecc_uncorrected or 0):
        yield "memory errors", f"{errors} memory errors (ECC) of the GPU"
    if observed.xids:
        yield "gpu error", f"the driver reported Xid {', '.join(map(str, observed.xids))}"


def _warnings(observed: Observation) -> Iterator[tuple[str, str]]:
    """Yield name, one of `WARNINGS`, and sentence of what gives the cell a flag."""
    if observed.foreign and observed.shared_gpu:
        yield "shared gpu", f"{', '.join(observed.foreign)} used the GPU as well, as was allowed"
    if POWER_CAP in observed.clock_events or observed.power_violation_ns:
        limit = f" of {observed.power_limit_mw / 1000:.0f} W" if observed.power_limit_mw else ""
        yield "power cap", f"the power limit{limit} held the GPU's clocks down"
    elif unlocked := _unlocked(observed):
        yield "unlocked clocks", unlocked
    share = sampler_share(observed)
    if share is not None and share > MOST_SAMPLER_SHARE:
        yield "sampler", f"the sampler took {share:.1%} of a processor"


def _unlocked(observed: Observation) -> str:
    """Return how the clocks show that they are not locked; empty: they do not.

    NVML does not say whether clocks are locked: so those are called unlocked that changed, and nothing forced them to.
    """
    if FOLLOWING in observed.clock_events:
        return "the GPU's clocks follow those of other GPUs (sync boost)"
    median, least = observed.sm_clock_median_mhz, observed.sm_clock_least_mhz
    if median is None or least is None or SET in observed.clock_events or median - least <= CLOCK_STEP_MHZ:
        return ""
    return f"the GPU's clocks are not locked (nvidia-smi --lock-gpu-clocks): they fell from {median} to {least} MHz"


def _low_clock(observed: Observation, block: Iterable[Observation]) -> str:
    """Return by how much the clock was below that of the block's replicates on the same GPU; empty: it was not."""
    clock = observed.sm_clock_median_mhz
    clocks = [
        other.sm_clock_median_mhz
        for other in block
        if other.gpu == observed.gpu and other.sm_clock_median_mhz is not None
    ]
    if clock is None or not clocks:
        return ""
    usual = statistics.median(clocks)
    if clock >= LEAST_CLOCK_SHARE * usual:
        return ""
    return f"the GPU ran at {clock} MHz, {clock / usual:.0%} of its block's median"
