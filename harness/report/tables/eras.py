"""Eras: the frameworks by the year in which they appeared, with what a step costs today and the formula of their Adam.

It has rows only in a run of the exhibit: the frameworks of the past and those beside them, and the usual ones that were
measured with them. What could not be had is in a table of its own.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from bench.catalogue import PERIODS, FrameworkOffer
from bench.eras import ABSENT, Absent
from bench.records.record import Cell, Fit, Record
from harness.format import Value, mebibytes, scientific, significant, whole
from harness.report.tables.column import CELL, FRAMEWORK_AND_MODE, VARIANT, Column, extent_span, narrow_interval
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.steps import StepRow
from harness.report.tables.table import Table
from harness.stats.estimate import Estimate
from harness.validity.results import Run

GUESTS: Final = ("python", "node")  # interpreters, as a guest names them among its versions
FOLLOWED: Final = 1e-4  # largest deviation of a run that follows a formula, as the gate's


@dataclass(frozen=True, slots=True, kw_only=True)
class EraRow(Row):
    """One cell of the exhibit; medians over the replicates."""

    era: int  # the year in which the framework appeared in this form; 0: its file does not say
    period: str
    version: str
    interpreter: str  # that computes: of a guest its own
    step_ns: Estimate | None
    first_step_ns: Estimate | None
    ready_ns: float | None  # import and initialisation
    peak_bytes: float | None  # resident set of all its processes
    lines: int | None  # logical lines of its program
    is_baseline: bool  # whether its framework's other modes are compared with it
    formula: str  # by which it is compared with float64
    deviation: float | None  # largest of a loss from that
    fits: tuple[Fit, ...]  # of a second run, at an epsilon that tells the formulas apart

    @property
    def told(self) -> str:
        """The formula that the second run follows, "none" if it follows none; empty: there was no such run."""
        followed = [fit.formula for fit in self.fits if fit.deviation <= FOLLOWED]
        return ", ".join(followed) or ("none" if self.fits else "")

    @property
    def apart(self) -> float | None:
        """How far that run is from the formula that it is nearest to."""
        return min((fit.deviation for fit in self.fits), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHadRow(Row):
    """One framework that is not in the exhibit."""

    absent: Absent


def era_rows(run: Run, steps: Iterable[StepRow]) -> tuple[EraRow, ...]:
    """Return a row for each trained cell, by period and year; none where nothing of the exhibit was measured."""
    facts = {each.name: each for each in run.facts.frameworks}
    measured = {cell: records for cell, records in by_cell(run, "identical").items() if cell.framework in facts}
    if not any(facts[cell.framework].exhibit for cell in measured):
        return ()
    timed = {row.cell: row for row in steps if not row.is_inference}
    rows = [
        _row(run, cell, records, facts[cell.framework], timed[cell])
        for cell, records in measured.items()
        if cell in timed and facts[cell.framework].era
    ]
    return tuple(sorted(rows, key=lambda row: (order_of(row.period), row.era, row.cell.framework_id)))


def order_of(period: str) -> int:
    """Return the place of a period in time."""
    return PERIODS.index(period) if period in PERIODS else len(PERIODS)


def not_had_rows(rows: Sequence[EraRow]) -> tuple[NotHadRow, ...]:
    """Return what could not be had, where the exhibit has rows."""
    if not rows:
        return ()
    return tuple(map(_not_had, sorted(ABSENT, key=lambda each: (order_of(each.period), each.era))))


def _row(run: Run, cell: Cell, records: Sequence[Record], facts: FrameworkOffer, step: StepRow) -> EraRow:
    good = [record for record in records if record.status == "ok"]
    accuracy = next((found for record in (*good, *records) if (found := record.accuracy)), None)
    versions = next((record.environment.versions for record in records if record.environment), ())
    return EraRow(
        **head(run, cell, records),
        era=facts.era,
        period=facts.period,
        version=versions[0].partition("==")[2] if versions else "",
        interpreter=_interpreter(records),
        step_ns=step.step_ns,
        first_step_ns=step.first_step_ns,
        ready_ns=_median(_ready_ns(record) for record in good),
        peak_bytes=_median(record.memory.host_peak_rss_bytes if record.memory else None for record in good),
        lines=facts.hello_lines or facts.program_lines or None,
        is_baseline=step.is_baseline,
        formula=accuracy.formula if accuracy else "",
        deviation=accuracy.max_loss_deviation if accuracy else None,
        fits=accuracy.fits if accuracy else (),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ready_ns(record: Record) -> float | None:
    phases = record.phases
    return None if phases is None else phases.import_ns + phases.device_ns


def _interpreter(records: Iterable[Record]) -> str:
    """Return "Python 3.7.16" or "node 20.20.2": the guest's where there is one."""
    for record in records:
        if record.environment is None:
            continue
        named = dict(text.split("==", 1) for text in record.environment.versions if "==" in text)
        of_guest = next((f"{name} {named[name]}" for name in GUESTS if name in named), "")
        own = record.environment.python.split()
        return (of_guest or f"python {own[0] if own else ''}").replace("python", "Python")
    return ""


def _not_had(each: Absent) -> NotHadRow:
    cell = Cell(
        framework=each.title, mode="", workload="", optimizer="", size="", precision="", device="", allocator=""
    )
    return NotHadRow(cell=cell, title=each.title, status="skipped", reason=each.why, absent=each)


def _ms(key: str) -> Callable[[EraRow], Value]:
    def get(row: EraRow) -> Value:
        found: Estimate | None = getattr(row, key)
        return found.value / 1e6 if found else None

    return get


def _or_none(key: str) -> Callable[[EraRow], Value]:
    return lambda row: getattr(row, key) or None


ERAS_COLUMNS: Final[tuple[Column[EraRow], ...]] = (
    Column(key="era", type="integer", heading="year", kind="name", get=_or_none("era")),
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(key="period", type="string", get=_or_none("period")),
    Column(key="version", type="string", heading="version", where="wide", get=_or_none("version")),
    Column(
        key="interpreter", type="string", heading="in", where="wide", folds="always",
        get=_or_none("interpreter"), explanation="The interpreter that runs the framework; of a guest its own.",
    ),
    Column(
        key="step_us", heading="step", unit="µs", format=significant,
        get=lambda row: row.step_ns.value / 1e3 if row.step_ns else None,
        instead=lambda row: extent_span(row.step_ns, 1e3), interval=lambda row: narrow_interval(row.step_ns, 1e3),
    ),
    Column(
        key="first_step_ms", heading="first step", unit="ms", format=significant, get=_ms("first_step_ns"),
        explanation="All calls until the mode is steady, with what they compile.",
    ),
    Column(
        key="ready_ms", heading="import", unit="ms", format=significant, where="wide",
        get=lambda row: None if row.ready_ns is None else row.ready_ns / 1e6,
        explanation="From the start of the import to a framework that can be used; of a guest from the start of its"
        " interpreter.",
    ),
    Column(
        key="peak_rss_bytes", heading="memory", unit="peak, MiB", format=mebibytes, where="wide",
        get=attrgetter("peak_bytes"),
        explanation="Peak resident set of all processes of a replicate; a guest's has the process that drives it beside"
        " it.",
    ),
    Column(
        key="program_lines", type="integer", heading="lines", unit="of code", format=whole, get=attrgetter("lines"),
        explanation="Logical lines of the program that is shown below.",
    ),
    Column(
        key="formula", type="string", heading="formula", unit="compared with", where="wide",
        get=_or_none("formula"),
    ),
    Column(
        key="max_loss_deviation", heading="loss", unit="max deviation", format=scientific, where="wide",
        get=attrgetter("deviation"),
    ),
    Column(
        key="formula_told", type="string", heading="formula", unit="found", get=_or_none("told"),
        explanation="Of Adam, told by a second run with an epsilon of 0.1, where the formulas differ by 0.05 and more.",
    ),
    Column(key="told_deviation", heading="of that run", unit="deviation", format=scientific, where="wide",
           get=attrgetter("apart")),
    VARIANT,
)  # fmt: skip

NOT_HAD_COLUMNS: Final[tuple[Column[NotHadRow], ...]] = (
    Column(key="era", type="integer", heading="year", kind="name", get=attrgetter("absent.era")),
    Column(key="framework", type="string", get=attrgetter("cell.framework")),
    Column(heading="framework", kind="name", get=attrgetter("title")),
    Column(key="status", type="string", get=attrgetter("status")),
    Column(key="why", type="string", heading="why", kind="text", get=attrgetter("reason")),
    Column(key="tried", type="string", heading="tried", kind="text", get=attrgetter("absent.tried")),
)


def table(rows: tuple[EraRow, ...]) -> Table[EraRow]:
    """Return the table of the exhibit."""
    differing = sorted({row.told for row in rows if row.told and row.told != row.formula})
    lost = f" Of the second runs some follow {', '.join(differing)}." if differing else ""
    return Table(
        name="eras",
        title="Eras",
        about="The same regression, from the same bytes, in the frameworks of the past and beside them today's, each in"
        " an interpreter and packages of its time. The year is the one in which a framework appeared to the public in"
        f" this form; the times are today's, on this machine.{lost}",
        columns=ERAS_COLUMNS,
        rows=rows,
        is_optional=True,
        is_hole=lambda row: row.step_ns is None,
        shows_reasons=False,
    )


def not_had_table(rows: tuple[NotHadRow, ...]) -> Table[NotHadRow]:
    """Return the table of what could not be had."""
    return Table(
        name="not_had",
        title="Not to be had",
        about="Frameworks of these eras that are not measured, with what was tried (November 2026) and why it ends.",
        columns=NOT_HAD_COLUMNS,
        rows=rows,
        is_optional=True,
        is_timed=True,
        is_hole=lambda row: False,
        shows_reasons=False,
        is_printed=False,
    )


def by_framework(rows: Iterable[EraRow]) -> Mapping[str, list[EraRow]]:
    """Return the rows of each framework, in their order."""
    found: dict[str, list[EraRow]] = {}
    for row in rows:
        found.setdefault(row.cell.framework_id, []).append(row)
    return found
