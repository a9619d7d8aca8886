"""Which replicates count: what makes one invalid, what gives its cell a flag, and which attempt counts. Pure.

    bench       wrong result, device, precision or threads; a recompile, an undeclared graph break, a device allocation
                in the timed rounds: the replicate refuses itself, and its record is invalid when it gets here
    durations   a time that is not a number, is negative, or is zero where something was timed
    gates       the gates of bench once more, on what the record says; its data; a first step falsely called cold
    processors  it ran outside its CPU set, or a CPU quota held it up
    machine     the state of the machine, as the harness observed it from outside
    drift       the machine changed within the block, by its drift probes
    agreement   differs from the frameworks' median; each framework counts once
    roofline    above what the machine can do

Each stage of rules gets the records after the stage before it. An invalid replicate is run once more at the end of its
block (`harness.run.reruns`), and both attempts are kept: the first good one counts, the other is replaced. A cell with
a block without a good replicate is invalid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.records.record import Cell, Failure, Record, Status
from harness.stats.flags import RERUN, Flag
from harness.store.facts import RunFacts
from harness.validity import agreement, drift, durations, gates, machine, processors, roofline
from harness.validity.finding import Finding, Key, Rule, key_of

STAGES: Final[tuple[tuple[Rule, ...], ...]] = (
    (durations.impossible,),
    (
        gates.other_mode,
        gates.other_results,
        gates.other_bytes,
        gates.falsely_cold,
        processors.elsewhere,
        processors.held_up,
        machine.disturbed,
        drift.drifted,
    ),
    (agreement.disagreeing,),
    (roofline.above_limits,),
)
WORST_FIRST: Final[tuple[Status, ...]] = ("invalid", "failed", "oom", "timeout", "skipped", "ok")
GOOD: Final = ("ok", "skipped")  # a cell that cannot run here says so, which is not a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The records of a run after all rules."""

    records: tuple[Record, ...]  # one for each replicate: the attempt that counts
    replaced: tuple[Record, ...]  # the other attempts
    warnings: Mapping[Cell, tuple[Flag, ...]]  # flags of the cells that have some


def judged(records: Sequence[Record], facts: RunFacts, stages: Sequence[Sequence[Rule]] = STAGES) -> Judgement:
    """Return the records of a run as they count: invalid ones with their reason, one for each replicate."""
    findings: list[Finding] = []
    for rules in stages:
        stage = [finding for rule in rules for finding in rule(records, facts)]
        records = _without_invalid(records, stage)
        findings += stage
    counted, replaced = _settled(records)
    return Judgement(records=counted, replaced=replaced, warnings=_warnings(findings, counted, replaced))


def incomplete(records: Iterable[Record], planned: Iterable[tuple[Cell, int]]) -> tuple[int, ...]:
    """Return the blocks that were begun and not finished: some of their planned (cell, block) have no record.

    Only what is timed and compared counts, so a block that lacks a hello world is complete.
    """
    done = {(record.cell, record.block) for record in records}
    timed = [(cell, block) for cell, block in planned if cell.track == "identical"]
    begun = {block for cell, block in timed if (cell, block) in done}
    return tuple(sorted({block for cell, block in timed if (cell, block) not in done} & begun))


def _without_invalid(records: Iterable[Record], findings: Iterable[Finding]) -> tuple[Record, ...]:
    """Return the records; the good ones with a finding that is not a warning become invalid, for the first of them."""
    faults: dict[Key, Finding] = {}
    for finding in findings:
        if finding.flag is None:
            faults.setdefault(finding.key, finding)
    return tuple(_invalid(record, faults.get(key_of(record))) for record in records)


def _invalid(record: Record, finding: Finding | None) -> Record:
    if finding is None or record.status != "ok":
        return record
    record = durations.without(record, finding.part) if finding.part else record
    return replace(record, status="invalid", reason=finding.reason, failure=Failure(phase="check"))


def _settled(records: Iterable[Record]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Return for each replicate the attempt that counts, and all others."""
    attempts: dict[tuple[Cell, int], list[Record]] = {}
    for record in records:
        attempts.setdefault((record.cell, record.block), []).append(record)
    counted = tuple(_counted(records) for records in attempts.values())
    keys = {key_of(record) for record in counted}
    replaced = (record for records in attempts.values() for record in records if key_of(record) not in keys)
    return counted, tuple(replaced)


def _counted(attempts: Sequence[Record]) -> Record:
    """Return the first good attempt; where there is none the worst, with each attempt's reason."""
    good = next((record for record in attempts if record.status in GOOD), None)
    if good or len(attempts) == 1:
        return good or attempts[0]
    worst = min(attempts, key=lambda record: WORST_FIRST.index(record.status))
    reasons = list(dict.fromkeys(record.reason for record in attempts))
    return replace(worst, reason=f"{reasons[0]} (twice)" if len(reasons) == 1 else "; run again: ".join(reasons))


def _warnings(
    findings: Iterable[Finding], counted: Sequence[Record], replaced: Iterable[Record]
) -> Mapping[Cell, tuple[Flag, ...]]:
    """Return the flags of the good replicates that count, and RERUN for each cell that was run again."""
    good = {key_of(record) for record in counted if record.status == "ok"}
    raised: dict[Cell, dict[Flag, None]] = {}
    for finding in findings:
        if finding.flag is not None and finding.key in good:
            raised.setdefault(finding.key[0], {})[finding.flag] = None
    for record in replaced:
        raised.setdefault(record.cell, {})[RERUN] = None
    return {cell: tuple(flags) for cell, flags in raised.items()}
