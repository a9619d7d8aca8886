"""The cells as rows of the charts, and the works that they belong to.

A row has the keys of a row of a live chart, so that a chart drawn ahead and a live one have one specification.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.report.charts.works import Work, named, work_of
from harness.report.hues import hue_number
from harness.report.overview import WORK, peak_bytes
from harness.report.tables.all import Tables
from harness.report.tables.column import break_even_steps
from harness.report.tables.steps import StepRow
from harness.validity.results import Run

LONGEST_REASON: Final = 200  # characters; a picture has room for fewer

CellRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cells that may be compared: the same work, either training or inference."""

    work: Work
    is_inference: bool
    rows: tuple[CellRow, ...]

    @property
    def name(self) -> str:
        """The work in words."""
        return named(self.work) + (", inference" if self.is_inference else "")

    @property
    def where(self) -> Mapping[str, Any]:
        """The predicate that selects its rows among those of the page."""
        equal = (*zip(WORK, self.work, strict=True), ("is_inference", self.is_inference))
        return {"and": [{"field": name, "equal": value} for name, value in equal]}


def groups(run: Run, tables: Tables) -> tuple[Group, ...]:
    """Return the cells of the table of steps in groups, in its order."""
    peaks = {row.cell: peak_bytes(row) for row in tables.memory.rows}
    hues = hue_numbers(run)
    found: dict[tuple[Work, bool], list[CellRow]] = {}
    for row in tables.steps.rows:
        facts = _row(row, peaks.get(row.cell), hues.get(row.cell.framework, 0))
        found.setdefault((work_of(row.cell), row.is_inference), []).append(facts)
    return tuple(Group(work=work, is_inference=infers, rows=tuple(rows)) for (work, infers), rows in found.items())


def hue_numbers(run: Run) -> dict[str, int]:
    """Return the number of each framework's CSS variable, by its name."""
    return {facts.name: hue_number(index) for index, facts in enumerate(run.facts.frameworks)}


def known(rows: Iterable[CellRow], key: str) -> list[float]:
    """Return the values of `key` that are known."""
    return [row[key] for row in rows if row[key] is not None]


def longest(rows: Sequence[CellRow], key: str) -> int:
    """Return the length of the longest text under `key`."""
    return max((len(row[key]) for row in rows), default=0)


def _row(row: StepRow, peak: int | None, hue: int) -> CellRow:
    cell, step, first = row.cell, row.step_ns, row.first_step_ns
    interval = step.interval if step else None
    pays_back = break_even_steps(row.break_even)
    return {
        "framework": cell.framework,
        "title": row.title,
        "mode": cell.mode,
        "label": f"{row.title} {cell.mode}",
        **{name: getattr(cell, name) for name in WORK},
        "status": row.status,
        "reason": row.reason[:LONGEST_REASON],
        "is_inference": row.is_inference,
        "step_ns": step.value if step else None,
        "low_ns": interval.low if interval else None,
        "high_ns": interval.high if interval else None,
        "first_step_ns": first.value if first else None,
        "break_even": pays_back if isinstance(pays_back, int | float | str) else None,
        "peak_bytes": peak,
        "hue": hue,
        "ratio": None,
    }
