"""Reproducibility: whether repeated runs of a cell are bitwise equal."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Cell, Record, Repeat
from harness.format import Value, scientific, whole
from harness.report.tables.column import BATCH, CELL, FRAMEWORK_AND_MODE, RANKS, VARIANT, Column
from harness.report.tables.compile import highest, repeats_of, without_result
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table, rows_in_words
from harness.stats import estimate
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether several runs of a cell were bitwise equal: losses of the first steps, and parameters after them."""

    equal: bool | None  # None: not checked
    compared: int  # number of runs
    why: str  # reason that it was not checked; empty: it was checked


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproducibilityRow(Row):
    """Which runs of a cell are bitwise equal."""

    one_process: Check  # before and after the timed rounds, in every good replicate
    two_processes: Check  # all good replicates
    other_threads: Check  # a replicate, and its repeat with another number of threads
    threads: int | None  # of the replicates
    threads_of_repeat: int | None
    largest_loss_difference: float | None  # between replicates; None: they do not differ, or it is not known


def reproducibility_rows(run: Run) -> tuple[ReproducibilityRow, ...]:
    """Return a row for each cell of the identical track."""
    return tuple(_reproducibility_row(run, cell, records) for cell, records in by_cell(run, "identical").items())


def unchecked(row: ReproducibilityRow) -> str:
    """Return which comparisons are missing and why, as one text; empty when none is missing."""
    checks = {"one process": row.one_process, "processes": row.two_processes, "threads": row.other_threads}
    return "; ".join(f"{name}: {check.why}" for name, check in checks.items() if check.why)


def _reproducibility_row(run: Run, cell: Cell, records: Sequence[Record]) -> ReproducibilityRow:
    shared = head(run, cell, records)
    good = [record for record in records if record.status == "ok"] if shared["status"] != "invalid" else []
    between = _between_processes(good)
    differ = between.equal is False
    trajectories = [record.accuracy.losses for record in good if record.accuracy is not None]
    repeats = [repeat for record in good for repeat in repeats_of(record, "threads")]
    return ReproducibilityRow(
        **shared,
        one_process=_in_one_process(good),
        two_processes=between,
        other_threads=_at_other_threads(good, repeats),
        threads=highest(record.environment.threads for record in good if record.environment is not None),
        threads_of_repeat=highest(repeat.threads for repeat in repeats),
        largest_loss_difference=estimate.largest_difference(trajectories) if differ else None,
    )


def _in_one_process(good: Sequence[Record]) -> Check:
    accuracies = [record.accuracy for record in good if record.accuracy is not None]
    pairs = [(accuracy.fingerprint, accuracy.fingerprint_after) for accuracy in accuracies]
    pairs = [pair for pair in pairs if all(pair)]
    if not pairs:
        return _unchecked(good, "the run after the timed rounds left no fingerprint")
    return Check(equal=all(before == after for before, after in pairs), compared=2 * len(pairs), why="")


def _between_processes(good: Sequence[Record]) -> Check:
    fingerprints = _fingerprints(good)
    if len(fingerprints) < 2:
        why = "only one replicate" if fingerprints else "its replicates left no fingerprint"
        return _unchecked(good, why)
    return Check(equal=len(set(fingerprints)) == 1, compared=len(fingerprints), why="")


def _at_other_threads(good: Sequence[Record], repeats: Sequence[Repeat]) -> Check:
    pairs = [
        (fingerprint, repeat.fingerprint)
        for record in good
        for fingerprint in _fingerprints([record])
        for repeat in repeats_of(record, "threads")
        if repeat.status == "ok" and repeat.fingerprint
    ]
    if pairs:
        return Check(equal=all(first == second for first, second in pairs), compared=2 * len(pairs), why="")
    why = next((without_result(repeat) for repeat in repeats if repeat.status != "ok"), "")
    return _unchecked(good, why or "not part of this profile (`--profile default` has it)")


def _unchecked(good: Sequence[Record], why: str) -> Check:
    return Check(equal=None, compared=0, why=why if good else "no good replicate")


def _fingerprints(records: Iterable[Record]) -> list[str]:
    return [record.accuracy.fingerprint for record in records if record.accuracy and record.accuracy.fingerprint]


def _equal(name: str) -> Callable[[ReproducibilityRow], Value]:
    return lambda row: _check(row, name).equal


def _why(name: str) -> Callable[[ReproducibilityRow], str]:
    def hint(row: ReproducibilityRow) -> str:
        check = _check(row, name)
        return f"not checked: {check.why}" if check.why else f"{check.compared} runs compared"

    return hint


def _check(row: ReproducibilityRow, name: str) -> Check:
    check: Check = getattr(row, name)
    return check


def _threads(row: ReproducibilityRow) -> Value:
    return None if row.threads_of_repeat is None else f"{row.threads} and {row.threads_of_repeat}"


REPRODUCIBILITY_COLUMNS: Final[tuple[Column[ReproducibilityRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(
        key="one_process",
        type="boolean",
        heading="equal in",
        unit="one process",
        get=_equal("one_process"),
        hint=_why("one_process"),
        explanation="The first 20 steps, run before the timed rounds and again after them, in every good replicate."
        " Compared are fingerprints: SHA-256 over the bytes of the losses and of the parameters after them.",
    ),
    Column(
        key="two_processes",
        type="boolean",
        heading="equal in",
        unit="processes",
        get=_equal("two_processes"),
        hint=_why("two_processes"),
        explanation="The fingerprints of all good replicates. Each replicate is a process with its own hash seed.",
    ),
    Column(
        key="processes",
        type="integer",
        heading="processes",
        unit="compared",
        format=whole,
        folds="always",
        get=lambda row: row.two_processes.compared or None,
    ),
    Column(
        key="other_threads",
        type="boolean",
        heading="equal at",
        unit="other threads",
        get=_equal("other_threads"),
        hint=_why("other_threads"),
        explanation="The fingerprint of a further process with another number of threads, compared with that of its"
        " replicate.",
    ),
    Column(heading="threads", unit="compared", folds="always", get=_threads),
    Column(key="threads", type="integer", get=attrgetter("threads")),
    Column(key="threads_of_repeat", type="integer", get=attrgetter("threads_of_repeat")),
    Column(
        key="largest_loss_difference",
        heading="losses",
        unit="differ by",
        format=scientific,
        get=attrgetter("largest_loss_difference"),
        explanation="If processes differ: the largest difference between their losses at the same step. Zero: only the"
        " trained parameters differ.",
    ),
    Column(key="unchecked", type="string", get=unchecked),
    BATCH,
    *RANKS,
    VARIANT,
)


def table(rows: tuple[ReproducibilityRow, ...]) -> Table[ReproducibilityRow]:
    """Return the table of reproducibility."""
    missing = Counter(unchecked(row) for row in rows if row.status == "ok" and unchecked(row))
    return Table(
        name="reproducibility",
        title="Reproducibility",
        about="Whether two runs of a cell are bitwise equal: the losses of 20 steps, and the parameters after them.",
        columns=REPRODUCIBILITY_COLUMNS,
        rows=rows,
        is_hole=lambda row: row.status != "ok" and row.one_process.equal is None and row.two_processes.equal is None,
        shows_reasons=False,
        remarks=tuple(f"Not checked in {rows_in_words(count)}: {why}." for why, count in missing.items()),
    )
