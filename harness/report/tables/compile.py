"""Records of a run → the rows that say how far its times can be trusted: proof of mode, compile cost, reproducibility.

Of what the replicates of a cell read back, a row shows the highest count and the distinct words, so that one replicate
that differs cannot hide among the others.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.records.record import Cell, CompileCache, ModeProof, Record, Repeat, RepeatKind
from harness.report.facts import Run
from harness.report.rows import Row, StepRow, by_cell, good_timings, head
from harness.stats import breakeven, estimate
from harness.stats.breakeven import BreakEven
from harness.stats.estimate import Cost, Estimate

Verdict = Literal["proved", "invalid", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow(Row):
    """What the framework was found to have run."""

    proof: ModeProof | None  # None: no replicate came as far
    threads_asked: int | None
    threads_used: float | None  # CPU time over wall time of the timed rounds, the highest of the replicates
    verdict: Verdict  # empty: there is no time, so nothing to be proved


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first step of fresh processes that met the caches in one state."""

    first_step_ns: Estimate | None  # of those whose counters agree that the state was this one
    found: tuple[CompileCache, ...]  # distinct classes, as derived from the counters and the new entries
    hits: int | None
    misses: int | None
    entries: int | None  # files that the first step added
    why: str  # there is no time; empty: there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRow(Row):
    """What a compiled mode costs before it pays, with empty caches and on the caches that a process left."""

    baseline: str  # the mode that it compares with; empty: none
    cold: Start
    warm: Start
    saving_ns: Estimate | None  # per step, against the baseline
    break_even_cold: BreakEven | Literal["never"] | None
    break_even_warm: BreakEven | Literal["never"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether several runs of a cell were bitwise equal: the losses of the first steps, the parameters after them."""

    equal: bool | None  # None: not checked
    compared: int  # runs
    why: str  # it was not checked; empty: it was


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproducibilityRow(Row):
    """What is bitwise equal when a cell is run again."""

    one_process: Check  # before and after the timed rounds, in every good replicate
    two_processes: Check  # the good replicates among each other
    other_threads: Check  # a replicate and its repeat with another number of threads
    threads: int | None  # of the replicates
    threads_of_repeat: int | None
    largest_loss_difference: float | None  # between replicates, where they differ; None: they do not, or not known


def proof_rows(run: Run) -> tuple[ProofRow, ...]:
    """Return a row for each cell that was timed, or whose memory was looked at where nothing was timed."""
    rows = []
    for cell, records in (by_cell(run, "identical") or by_cell(run, "memory")).items():
        begins = head(run, cell, records)
        used = [estimate.threads_used(record.timing) for record in records if record.timing is not None]
        asked = {record.environment.threads for record in records if record.environment is not None}
        good = bool(good_timings(records)) or any(one.status == "ok" for one in records if one.cell.track == "memory")
        rows.append(
            ProofRow(
                **begins,
                proof=_merged(records),
                threads_asked=max(asked, default=None),
                threads_used=max((one for one in used if one is not None), default=None),
                verdict="invalid" if begins["status"] == "invalid" else "proved" if good else "",
            )
        )
    return tuple(rows)


def _merged(records: Iterable[Record]) -> ModeProof | None:
    """Return the highest counts and the distinct words of all proofs, with the evidence of the worst replicate."""
    worst_first = sorted(records, key=lambda record: record.status != "invalid")
    proofs = [record.proof for record in worst_first if record.proof is not None]
    if not proofs:
        return None
    names = [field.name for field in dataclasses.fields(ModeProof)]
    together: dict[str, Any] = {name: _together([getattr(proof, name) for proof in proofs]) for name in names}
    return ModeProof(**{**together, "evidence": proofs[0].evidence})


def _together(values: Iterable[Any]) -> Any:
    told = [value for value in values if value is not None]
    if not told:
        return None
    return ", ".join(dict.fromkeys(filter(None, told))) if isinstance(told[0], str) else max(told)


def compile_rows(run: Run, steps: Iterable[StepRow]) -> tuple[CompileRow, ...]:
    """Return a row for each training mode that traces or compiles and is not itself what others compare with."""
    found = {row.cell: row for row in steps}
    groups = by_cell(run, "identical")
    return tuple(
        _compile_row(row, found.get(replace(cell, mode=row.baseline)), groups[cell])
        for cell, row in found.items()
        if not row.is_baseline and not row.source and _compiles(groups[cell])
    )


def _compiles(records: Iterable[Record]) -> bool:
    proofs = [record.proof for record in records if record.proof is not None]
    return any(count is not None for one in proofs for count in (one.traces, one.compilations, one.graphs))


def _compile_row(row: StepRow, baseline: StepRow | None, records: Sequence[Record]) -> CompileRow:
    good = [record for record in records if record.status == "ok"] if row.status != "invalid" else []
    again = {record.block: one for record in good for one in _repeats(record, "warm")}
    warm = {block: one for block, one in again.items() if one.status == "ok"}
    theirs = baseline.paired if baseline else {}
    cold_costs = {block: row.paired[block] for block in _cold(good) if block in row.paired}
    saving = breakeven.saving(row.paired, theirs)
    return CompileRow(
        cell=row.cell,
        title=row.title,
        status=row.status,
        reason=row.reason,
        baseline=row.baseline,
        cold=_cold_start(good),
        warm=_warm_start(again.values()),
        saving_ns=saving,
        break_even_cold=_break_even(cold_costs, theirs, saving),
        break_even_warm=_break_even(_warm_costs(good, warm), theirs, saving),
    )


def _cold(records: Iterable[Record]) -> dict[int, int]:
    """Return the first step of each replicate that did not find all of it compiled, by block.

    One that found a part compiled met what its own process had kept: its folder of caches was empty.
    """
    return {
        record.block: record.timing.first_step_ns
        for record in records
        if record.timing is not None and record.timing.compile_cache != "warm"
    }


def _cold_start(records: Sequence[Record]) -> Start:
    timings = [record.timing for record in records if record.timing is not None]
    proofs = [record.proof for record in records if record.proof is not None]
    firsts = list(_cold(records).values())
    return Start(
        first_step_ns=estimate.estimate(firsts) if firsts else None,
        found=tuple(dict.fromkeys(timing.compile_cache for timing in timings)),
        hits=_highest(proof.cache_hits for proof in proofs),
        misses=_highest(proof.cache_misses for proof in proofs),
        entries=_highest(timing.cache_entries for timing in timings),
        why="" if firsts else "no replicate met empty caches" if timings else "no good replicate",
    )


def _warm_start(repeats: Iterable[Repeat]) -> Start:
    repeats = list(repeats)
    told = [one for one in repeats if one.status == "ok"]
    firsts = [one.first_step_ns for one in told if _is_warm(one) and one.first_step_ns is not None]
    failed = next((_without_result(one) for one in repeats if one.status != "ok"), "")
    missing = "the second process compiled everything anew" if told else failed or "no second process on its caches"
    return Start(
        first_step_ns=estimate.estimate(firsts) if firsts else None,
        found=tuple(dict.fromkeys(one.compile_cache for one in told if one.compile_cache is not None)),
        hits=_highest(one.cache_hits for one in told),
        misses=_highest(one.cache_misses for one in told),
        entries=_highest(one.cache_entries for one in told),
        why="" if firsts else missing,
    )


def _is_warm(repeat: Repeat) -> bool:
    """Return whether the counters agree: a second process that compiled everything anew was not warm."""
    return repeat.compile_cache is not None and repeat.compile_cache != "cold"


def _warm_costs(records: Iterable[Record], warm: Mapping[int, Repeat]) -> dict[int, Cost]:
    costs = {}
    for record in records:
        repeat = warm.get(record.block)
        if repeat is None or record.timing is None or repeat.first_step_ns is None or not _is_warm(repeat):
            continue
        if (cost := estimate.cost(record.timing, repeat.first_step_ns)) is not None:
            costs[record.block] = cost
    return costs


def _break_even(
    mode: Mapping[int, Cost], baseline: Mapping[int, Cost], saving: Estimate | None
) -> BreakEven | Literal["never"] | None:
    """Return the break-even; of a first step known in one block only, with the saving of all blocks."""
    shared = mode.keys() & baseline.keys()
    if len(shared) != 1 or saving is None:
        return breakeven.break_even(mode, baseline)
    (block,) = shared
    return breakeven.break_even_of_one(mode[block].first_ns - baseline[block].first_ns, saving)


def reproducibility_rows(run: Run) -> tuple[ReproducibilityRow, ...]:
    """Return a row for each cell of the identical track."""
    return tuple(_reproducibility_row(run, *one) for one in by_cell(run, "identical").items())


def _reproducibility_row(run: Run, cell: Cell, records: Sequence[Record]) -> ReproducibilityRow:
    begins = head(run, cell, records)
    good = [record for record in records if record.status == "ok"] if begins["status"] != "invalid" else []
    between = _between_processes(good)
    differ = between.equal is False
    trajectories = [record.accuracy.losses for record in good if record.accuracy is not None]
    repeats = [one for record in good for one in _repeats(record, "threads")]
    return ReproducibilityRow(
        **begins,
        one_process=_in_one_process(good),
        two_processes=between,
        other_threads=_at_other_threads(good, repeats),
        threads=_highest(record.environment.threads for record in good if record.environment is not None),
        threads_of_repeat=_highest(one.threads for one in repeats),
        largest_loss_difference=estimate.largest_difference(trajectories) if differ else None,
    )


def _in_one_process(good: Sequence[Record]) -> Check:
    pairs = [(one.fingerprint, one.fingerprint_after) for record in good if (one := record.accuracy) is not None]
    pairs = [pair for pair in pairs if all(pair)]
    if not pairs:
        return _unchecked(good, "the run after timing left no fingerprint")
    return Check(equal=all(before == after for before, after in pairs), compared=2 * len(pairs), why="")


def _between_processes(good: Sequence[Record]) -> Check:
    found = _fingerprints(good)
    if len(found) < 2:
        why = "only one replicate" if found else "its replicates left no fingerprint"
        return _unchecked(good, why)
    return Check(equal=len(set(found)) == 1, compared=len(found), why="")


def _at_other_threads(good: Sequence[Record], repeats: Sequence[Repeat]) -> Check:
    pairs = [
        (fingerprint, one.fingerprint)
        for record in good
        for fingerprint in _fingerprints([record])
        for one in _repeats(record, "threads")
        if one.status == "ok" and one.fingerprint
    ]
    if pairs:
        return Check(equal=all(mine == other for mine, other in pairs), compared=2 * len(pairs), why="")
    why = next((_without_result(one) for one in repeats if one.status != "ok"), "")
    return _unchecked(good, why or "not asked for (`--profile default` does)")


def _without_result(repeat: Repeat) -> str:
    return repeat.reason if repeat.status == "skipped" else f"{repeat.status}: {repeat.reason}"


def _unchecked(good: Sequence[Record], why: str) -> Check:
    return Check(equal=None, compared=0, why=why if good else "no good replicate")


def _fingerprints(records: Iterable[Record]) -> list[str]:
    return [one.fingerprint for record in records if (one := record.accuracy) is not None and one.fingerprint]


def _repeats(record: Record, kind: RepeatKind) -> list[Repeat]:
    return [one for one in record.repeats if one.kind == kind]


def _highest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
