"""Energy replicates → the rows of what a step takes, and the columns that show them."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from bench.records.record import Record
from harness.format import significant, whole
from harness.report.tables.column import CELL, WHO, Column
from harness.report.tables.row import Row, by_cell, head
from harness.report.tables.table import Table
from harness.stats import energy
from harness.validity.results import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRow(Row):
    """One cell; each figure is the median of the replicates that have it."""

    replicates: int  # with a figure of a step
    step_uj: float | None  # of one step, above the GPU at rest
    turn_j: float | None  # of the whole replicate, from its start to its end, the GPU at rest included
    idle_w: float | None  # power at rest, the model on the GPU
    window_s: float | None  # in which the steps were counted
    why: str  # why there is no figure of a step; empty: there is one


def energy_rows(run: Run) -> tuple[EnergyRow, ...]:
    """Return a row for each cell that has replicates for energy."""
    return tuple(_row(run, records) for records in by_cell(run, "energy").values())


def remarks(rows: Iterable[EnergyRow]) -> tuple[str, ...]:
    """Return why there are rows without a figure."""
    missing = Counter(row.why for row in rows if row.why)
    return tuple(
        f"No energy of a step in {'one row' if count == 1 else f'{count} rows'}: {why}."
        for why, count in missing.items()
    )


def _row(run: Run, records: list[Record]) -> EnergyRow:
    found = [energy.of(record) for record in records]
    windows = [record.energy for record in records if record.energy]
    whole_mj = [record.observation.energy_mj for record in records if record.observation]
    cell = replace(records[0].cell, track="identical")
    return EnergyRow(
        **head(run, cell, records),
        replicates=sum(one.step_uj is not None for one in found),
        step_uj=_median(one.step_uj for one in found),
        turn_j=_median(None if mj is None else mj / 1e3 for mj in whole_mj),
        idle_w=_median(None if one.idle_mw is None else one.idle_mw / 1e3 for one in found),
        window_s=_median((window.end_ns - window.begin_ns) / 1e9 for window in windows),
        why=next((one.reason for one in found if one.reason), "") if all(one.reason for one in found) else "",
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


ENERGY_COLUMNS: Final[tuple[Column[EnergyRow], ...]] = (
    *WHO,
    *CELL,
    Column(
        key="energy_per_step_uj",
        heading="a step",
        unit="µJ",
        format=significant,
        get=attrgetter("step_uj"),
        says="What the GPU took above its power at rest while it worked without a pause for 5 s, by its counter,"
        " divided by the steps.",
    ),
    Column(
        key="energy_run_j",
        heading="whole replicate",
        unit="J",
        format=significant,
        get=attrgetter("turn_j"),
        says="What the GPU's counter grew by from before the process was started until it had gone, rest included.",
    ),
    Column(key="idle_w", heading="at rest", unit="W", format=significant, get=attrgetter("idle_w")),
    Column(key="window_s", heading="window", unit="s", format=significant, where="wide", get=attrgetter("window_s")),
    Column(key="energy_replicates", heading="replicates", format=whole, where="wide", get=attrgetter("replicates")),
    Column(key="energy_missing", get=lambda row: row.why or None),
)


def table(found: tuple[EnergyRow, ...]) -> Table[EnergyRow]:
    """Return the table of energy."""
    return Table(
        name="energy",
        title="Energy",
        about="What a step takes of the GPU's energy above rest, in replicates of their own.",
        columns=ENERGY_COLUMNS,
        rows=found,
        is_optional=True,
        is_timed=False,
        is_hole=lambda row: row.step_uj is None and row.turn_j is None,
        tells_reasons=False,
        remarks=remarks(found),
    )
