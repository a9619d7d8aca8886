"""Energy: what a step takes of the GPU's energy, measured in replicates of the energy track."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Record
from harness.format import significant, whole
from harness.report.tables.column import BATCH, CELL, FRAMEWORK_AND_MODE, VARIANT, Column
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table, rows_in_words
from harness.stats import energy
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRow(Row):
    """One cell; each figure is the median of the replicates that have it."""

    replicates: int  # those with a figure for a step
    step_uj: float | None  # energy of one step, above the GPU at rest
    turn_j: float | None  # energy of the whole replicate, the power at rest included
    idle_w: float | None  # power at rest, with the model on the GPU
    window_s: float | None  # duration in which the steps were counted
    why: str  # reason that there is no figure for a step; empty: there is one


def energy_rows(run: Run) -> tuple[EnergyRow, ...]:
    """Return a row for each cell with replicates of the energy track."""
    return tuple(_row(run, records) for records in by_cell(run, "energy").values())


def remarks(rows: Iterable[EnergyRow]) -> tuple[str, ...]:
    """Return a sentence for each reason that rows have no figure."""
    missing = Counter(row.why for row in rows if row.why)
    return tuple(f"No energy of a step in {rows_in_words(count)}: {why}." for why, count in missing.items())


def _row(run: Run, records: list[Record]) -> EnergyRow:
    measured = [energy.of(record) for record in records]
    windows = [record.energy for record in records if record.energy]
    whole_mj = [record.observation.energy_mj for record in records if record.observation]
    reasons = [figure.reason for figure in measured]
    cell = replace(records[0].cell, track="identical")
    return EnergyRow(
        **head(run, cell, records),
        replicates=sum(figure.step_uj is not None for figure in measured),
        step_uj=_median(figure.step_uj for figure in measured),
        turn_j=_median(None if mj is None else mj / 1e3 for mj in whole_mj),
        idle_w=_median(None if figure.idle_mw is None else figure.idle_mw / 1e3 for figure in measured),
        window_s=_median((window.end_ns - window.begin_ns) / 1e9 for window in windows),
        why=reasons[0] if reasons and all(reasons) else "",
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


ENERGY_COLUMNS: Final[tuple[Column[EnergyRow], ...]] = (
    *FRAMEWORK_AND_MODE,
    *CELL,
    Column(
        key="energy_per_step_uj",
        heading="step",
        unit="µJ",
        format=significant,
        get=attrgetter("step_uj"),
        explanation="Energy by the GPU's counter during 5 s of steps without a pause, minus the energy at rest,"
        " divided by the number of steps.",
    ),
    Column(
        key="energy_run_j",
        heading="whole replicate",
        unit="J",
        format=significant,
        get=attrgetter("turn_j"),
        explanation="Growth of the GPU's counter from before the start of the process until after its end, the energy"
        " at rest included.",
    ),
    Column(key="idle_w", heading="at rest", unit="W", format=significant, get=attrgetter("idle_w")),
    Column(key="window_s", heading="window", unit="s", format=significant, where="wide", get=attrgetter("window_s")),
    Column(
        key="energy_replicates",
        type="integer",
        heading="replicates",
        format=whole,
        where="wide",
        get=attrgetter("replicates"),
    ),
    Column(key="energy_missing", type="string", get=lambda row: row.why or None),
    BATCH,
    VARIANT,
)


def table(rows: tuple[EnergyRow, ...]) -> Table[EnergyRow]:
    """Return the table of energy."""
    return Table(
        name="energy",
        title="Energy",
        about="Energy of the GPU for one step, above the energy at rest; measured in separate replicates.",
        columns=ENERGY_COLUMNS,
        rows=rows,
        is_optional=True,
        is_timed=False,
        is_hole=lambda row: row.step_uj is None and row.turn_j is None,
        shows_reasons=False,
        remarks=remarks(rows),
    )
