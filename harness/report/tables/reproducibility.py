"""Reproducibility: whether two runs of a cell are equal to the last bit."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.records.record import Cell, Record, Repeat
from harness.format import Value, scientific, whole
from harness.report.tables.column import CELL, WHO, Column
from harness.report.tables.compile import highest, repeats_of, without_result
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table, rows_in_words
from harness.stats import estimate
from harness.validity.results import Run


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


def reproducibility_rows(run: Run) -> tuple[ReproducibilityRow, ...]:
    """Return a row for each cell of the identical track."""
    return tuple(_reproducibility_row(run, *one) for one in by_cell(run, "identical").items())


def unchecked(row: ReproducibilityRow) -> str:
    """Return what was not compared and why, as one text; empty when all was."""
    checks = {"one process": row.one_process, "processes": row.two_processes, "threads": row.other_threads}
    return "; ".join(f"{name}: {check.why}" for name, check in checks.items() if check.why)


def _reproducibility_row(run: Run, cell: Cell, records: Sequence[Record]) -> ReproducibilityRow:
    begins = head(run, cell, records)
    good = [record for record in records if record.status == "ok"] if begins["status"] != "invalid" else []
    between = _between_processes(good)
    differ = between.equal is False
    trajectories = [record.accuracy.losses for record in good if record.accuracy is not None]
    repeats = [one for record in good for one in repeats_of(record, "threads")]
    return ReproducibilityRow(
        **begins,
        one_process=_in_one_process(good),
        two_processes=between,
        other_threads=_at_other_threads(good, repeats),
        threads=highest(record.environment.threads for record in good if record.environment is not None),
        threads_of_repeat=highest(one.threads for one in repeats),
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
        for one in repeats_of(record, "threads")
        if one.status == "ok" and one.fingerprint
    ]
    if pairs:
        return Check(equal=all(mine == other for mine, other in pairs), compared=2 * len(pairs), why="")
    why = next((without_result(one) for one in repeats if one.status != "ok"), "")
    return _unchecked(good, why or "not asked for (`--profile default` does)")


def _unchecked(good: Sequence[Record], why: str) -> Check:
    return Check(equal=None, compared=0, why=why if good else "no good replicate")


def _fingerprints(records: Iterable[Record]) -> list[str]:
    return [one.fingerprint for record in records if (one := record.accuracy) is not None and one.fingerprint]


def _equal(name: str) -> Callable[[ReproducibilityRow], Value]:
    return lambda row: _check(row, name).equal


def _why(name: str) -> Callable[[ReproducibilityRow], str]:
    def hint(row: ReproducibilityRow) -> str:
        check = _check(row, name)
        return f"not checked: {check.why}" if check.why else f"{check.compared} runs compared"

    return hint


def _check(row: ReproducibilityRow, name: str) -> Check:
    found: Check = getattr(row, name)
    return found


def _threads(row: ReproducibilityRow) -> Value:
    return None if row.threads_of_repeat is None else f"{row.threads} and {row.threads_of_repeat}"


REPRODUCIBILITY_COLUMNS: Final[tuple[Column[ReproducibilityRow], ...]] = (
    *WHO,
    *CELL,
    Column(
        key="one_process",
        heading="equal in",
        unit="one process",
        get=_equal("one_process"),
        hint=_why("one_process"),
        says="The gate's first 20 steps before the timed rounds and the same after them, in every good replicate: one"
        " fingerprint (SHA-256 over the bytes of their losses and of the parameters after them).",
    ),
    Column(
        key="two_processes",
        heading="equal in",
        unit="processes",
        get=_equal("two_processes"),
        hint=_why("two_processes"),
        says="The fingerprints of all good replicates, each a process of its own, with a hash seed of its own.",
    ),
    Column(
        key="processes",
        heading="processes",
        unit="compared",
        format=whole,
        folds="always",
        get=lambda row: row.two_processes.compared or None,
    ),
    Column(
        key="other_threads",
        heading="equal at",
        unit="other threads",
        get=_equal("other_threads"),
        hint=_why("other_threads"),
        says="The fingerprint of a further process with another number of threads, against its replicate's.",
    ),
    Column(heading="threads", unit="compared", folds="always", get=_threads),
    Column(key="threads", get=attrgetter("threads")),
    Column(key="threads_of_repeat", get=attrgetter("threads_of_repeat")),
    Column(
        key="largest_loss_difference",
        heading="losses",
        unit="differ by",
        format=scientific,
        get=attrgetter("largest_loss_difference"),
        says="Where processes differ: the largest difference between their losses of the same step. Zero: only the"
        " trained parameters differ.",
    ),
    Column(key="unchecked", get=unchecked),
)


def table(found: tuple[ReproducibilityRow, ...]) -> Table[ReproducibilityRow]:
    """Return the table of reproducibility."""
    missing = Counter(unchecked(row) for row in found if row.status == "ok" and unchecked(row))
    return Table(
        name="reproducibility",
        title="Reproducibility",
        about="Whether two runs of a cell are bitwise equal: the losses of 20 steps, and the parameters after them.",
        columns=REPRODUCIBILITY_COLUMNS,
        rows=found,
        is_hole=lambda row: row.status != "ok" and row.one_process.equal is None and row.two_processes.equal is None,
        tells_reasons=False,
        remarks=tuple(f"Not checked in {rows_in_words(count)}: {why}." for why, count in missing.items()),
    )
