"""Which replicates count: INVALID and WARN, as the protocol lists them, from what was recorded. Pure.

    bench       wrong result, device, precision or threads; a recompile, an undeclared graph break, a device allocation
                in the timed rounds: its records come as invalid
    durations   a time that is no number, zero or negative
    gates       what the record itself says, held against bench's gates once more
    machine     the state of the machine as the harness saw it from outside
    drift       the machine changed within the block, by its drift probes
    agreement   differs from the frameworks' median; each framework counts once
    roofline    above what the machine can do

A replicate that is invalid is run once more at the end of its block (`reruns`), and both are kept. Of the two
the first that is good stands for its block; the other is counted. A cell with a block without a valid replicate is
invalid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.records.record import Cell, Failure, Record, Status
from harness.stats.flags import RERUN, Flag
from harness.store.facts import RunFacts
from harness.validity import agreement, drift, durations, gates, machine, roofline
from harness.validity.finding import Finding, Judge, Key, key_of

JUDGES: Final[tuple[Judge, ...]] = (gates.mode, gates.bytes_, gates.caches, machine.judge, drift.judge)

WORST_FIRST: Final[tuple[Status, ...]] = ("invalid", "failed", "oom", "timeout", "skipped", "ok")
GOOD: Final = ("ok", "skipped")  # a cell that cannot run here says so and is no failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The records of a run, judged."""

    records: tuple[Record, ...]  # one for each replicate: what the tables are made of
    replaced: tuple[Record, ...]  # those that another attempt stands for
    warnings: Mapping[Cell, tuple[Flag, ...]]  # of the cells that earned some


def judged(records: Sequence[Record], facts: RunFacts, judges: Sequence[Judge] = JUDGES) -> Judgement:
    """Return the records of a run as they count: invalid ones with their reason, one for each replicate."""
    sound = tuple(_timed_soundly(record) for record in records)
    findings = [finding for judge in judges for finding in judge(sound, facts)]
    faults: dict[Key, str] = {}
    for finding in findings:
        if finding.flag is None:
            faults.setdefault(finding.key, finding.reason)
    found = agreement.judged([_invalid(record, faults.get(key_of(record), "")) for record in sound])
    standing, replaced = _settled(roofline.judged(found, facts))
    return Judgement(records=standing, replaced=replaced, warnings=_warnings(findings, standing, replaced))


def incomplete(records: Iterable[Record], planned: Iterable[tuple[Cell, int]]) -> tuple[int, ...]:
    """Return the blocks that were begun and not finished: some of their planned (cell, block) have no record.

    Only what is timed and compared counts, so a block that lacks a hello world is whole.
    """
    done = {(record.cell, record.block) for record in records}
    timed = [place for place in planned if place[0].track == "identical"]
    begun = {block for cell, block in timed if (cell, block) in done}
    return tuple(sorted({block for cell, block in timed if (cell, block) not in done} & begun))


def _timed_soundly(record: Record) -> Record:
    """Return `record`, when one of its durations cannot be as invalid and without the part that holds it."""
    if record.status != "ok":
        return record
    part, sentence = durations.fault(record)
    return _invalid(durations.without(record, part), sentence) if part else record


def _invalid(record: Record, reason: str) -> Record:
    if not reason or record.status != "ok":
        return record
    return replace(record, status="invalid", reason=reason, failure=Failure(phase="check"))


def _settled(records: Iterable[Record]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Return for each replicate the attempt that stands for it, and the others."""
    attempts: dict[tuple[Cell, int], list[Record]] = {}
    for record in records:
        attempts.setdefault((record.cell, record.block), []).append(record)
    standing = {key: _stands(found) for key, found in attempts.items()}
    replaced = (one for key, found in attempts.items() for one in found if key_of(one) != key_of(standing[key]))
    return tuple(standing.values()), tuple(replaced)


def _stands(attempts: Sequence[Record]) -> Record:
    """Return the first good attempt; where there is none the worst, with what befell each."""
    good = next((one for one in attempts if one.status in GOOD), None)
    if good or len(attempts) == 1:
        return good or attempts[0]
    worst = min(attempts, key=lambda one: WORST_FIRST.index(one.status))
    told = list(dict.fromkeys(one.reason for one in attempts))
    return replace(worst, reason=f"{told[0]} (twice)" if len(told) == 1 else "; run again: ".join(told))


def _warnings(
    findings: Iterable[Finding], standing: Sequence[Record], replaced: Iterable[Record]
) -> Mapping[Cell, tuple[Flag, ...]]:
    """Return the flags that the replicates which stand have earned; of a good cell that was run again RERUN too."""
    counted = {key_of(record) for record in standing if record.status == "ok"}
    raised: dict[Cell, dict[Flag, None]] = {}
    for finding in findings:
        if finding.flag is not None and finding.key in counted:
            raised.setdefault(finding.key[0], {})[finding.flag] = None
    for record in replaced:
        raised.setdefault(record.cell, {})[RERUN] = None
    return {cell: tuple(flags) for cell, flags in raised.items()}
