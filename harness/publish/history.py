"""The history of a cell: one row for each run that has it, the newest first, and what changed in between.

A site of 1 000 runs with 50 cells has 50 000 such rows, so what a run alone decides is worked out once for each run.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from bench.records.record import Cell
from harness.compare.choice import FIELDS
from harness.publish import names
from harness.publish.entry import Entry, Kept, Result, Software
from harness.report.exporters.csv import field

MOST_SHOWN: Final = 100  # runs on a page; its CSV file has all
COLUMNS: Final = (
    *("run", "started", "host", "gpu", "driver", "noise_floor", "noise_floor_measured", "first_look", "caveat"),
    *("python", "versions", "status", "reason", "step_us", "ci_low_us", "ci_high_us", "replicates", "first_step_ms"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cell in one run."""

    kept: Kept
    result: Result
    before: str = ""  # name of the run before it on the same host; empty: it is the first there
    changes: tuple[str, ...] = ()  # what is other than in that run: "torch 2.12.0 → 2.13.0"
    host: int = 1  # number of its host on the page, from 1

    @property
    def entry(self) -> Entry:
        """The run."""
        return self.kept.entry

    @property
    def software(self) -> Software | None:
        """What it computed with; None: no replicate had a time."""
        return self.kept.software(self.result.framework_id, self.result.device)


@dataclass(frozen=True, eq=False)
class History:
    """A cell over runs."""

    folder: str
    seen: Sequence[tuple[Kept, Result]]  # the newest first

    @property
    def cell(self) -> Cell:
        """The cell."""
        return self.seen[0][1].cell

    @property
    def label(self) -> str:
        """The cell in words."""
        return self.seen[0][1].label

    @property
    def title(self) -> str:
        """The framework's name for people."""
        return self.seen[0][1].title

    @property
    def newest(self) -> tuple[Kept, Result]:
        """The newest run with a time; without any, the newest."""
        return next((each for each in self.seen if each[1].step_ns is not None), self.seen[0])

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, the one that was there first first: a new one does not change the colours of the others."""
        return tuple(dict.fromkeys(kept.host for kept, _ in reversed(self.seen)))

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The newest runs, those of the page."""
        return tuple(self._point(at) for at in range(min(MOST_SHOWN, len(self.seen))))

    def _point(self, at: int) -> Point:
        kept, result = self.seen[at]
        older = (self.seen[index] for index in range(at + 1, len(self.seen)))
        on_host = (each for each in older if each[0].host == kept.host and each[1].step_ns is not None)
        before = next(on_host, None)
        return Point(
            kept=kept,
            result=result,
            before=before[0].entry.name if before else "",
            changes=_changes(before[0], kept, result) if before else (),
            host=self.hosts.index(kept.host) + 1,
        )


def histories(kept: Sequence[Kept]) -> tuple[History, ...]:
    """Return the history of each cell; `kept` has the newest run first."""
    found: dict[tuple[str, ...], list[tuple[Kept, Result]]] = {}
    for each in kept:
        for result in each.entry.cells:
            found.setdefault(tuple([getattr(result, name) for name in FIELDS]), []).append((each, result))
    return tuple(sorted((History(names.cell_folder(seen[0][1].cell), seen) for seen in found.values()), key=_folder))


def _folder(history: History) -> str:
    return history.folder


def _changes(before: Kept, kept: Kept, result: Result) -> tuple[str, ...]:
    """Return what a run computes with that the one before it on this host did not."""
    then, now = (each.parts(result.framework_id, result.device) for each in (before, kept))
    if not then or not now:
        return ()
    return tuple(
        f"{part} {then.get(part, 'not there')} → {now.get(part, 'not there')}"
        for part in {**then, **now}
        if then.get(part) != now.get(part)
    )


def as_csv(history: History) -> str:
    """Return all runs of a history as CSV, the newest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_csv_row, history.seen))
    return text.getvalue()


def _csv_row(seen: tuple[Kept, Result]) -> tuple[str, ...]:
    kept, result = seen
    step, low, high, first = result.step_ns, result.low_ns, result.high_ns, result.first_step_ns
    return (
        *kept.csv_fields,
        *kept.software_fields(result.framework_id, result.device),
        field(result.status),
        field(result.reason),
        "" if step is None else f"{step / 1e3:.9g}",
        "" if low is None else f"{low / 1e3:.9g}",
        "" if high is None else f"{high / 1e3:.9g}",
        str(len(result.times)),
        "" if first is None else f"{first / 1e6:.9g}",
    )
