"""The cells as rows of the charts, and the works that they belong to.

A row has the keys of a row of a live chart, so that a chart drawn ahead and a live one have one specification.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.report.charts.works import named
from harness.report.hues import hue_numbers
from harness.report.overview import WORK, CellFacts, Work, cells
from harness.report.tables.all import Tables
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
    """Return the cells of the overview in groups, in its order."""
    hues = hue_numbers(run)
    found: dict[tuple[Work, bool], list[CellRow]] = {}
    for facts in cells(run, tables):
        row = _row(facts, hues.get(facts.framework, 0))
        found.setdefault((facts.work, facts.is_inference), []).append(row)
    return tuple(Group(work=work, is_inference=infers, rows=tuple(rows)) for (work, infers), rows in found.items())


def known(rows: Iterable[CellRow], key: str) -> list[float]:
    """Return the values of `key` that are known."""
    return [row[key] for row in rows if row[key] is not None]


def longest(rows: Sequence[CellRow], key: str) -> int:
    """Return the length of the longest text under `key`."""
    return max((len(row[key]) for row in rows), default=0)


def _row(facts: CellFacts, hue: int) -> CellRow:
    own = dataclasses.asdict(facts)
    return {**own, "reason": facts.reason[:LONGEST_REASON], "label": facts.name, "hue": hue, "ratio": None}
