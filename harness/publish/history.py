"""The history of a cell: one row for each run that has it, the newest first, and what changed in between."""

import csv
import datetime
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Cell
from harness.publish import names
from harness.publish.entry import Entry, Kept, Result, Software
from harness.report.exporters.csv import field

MOST_SHOWN: Final = 200  # runs on a page; its CSV file has all
COLUMNS: Final = (
    *("run", "started", "host", "gpu", "driver", "python", "versions", "status", "reason", "step_us", "ci_low_us"),
    *("ci_high_us", "replicates", "first_step_ms", "noise_floor", "noise_floor_measured", "first_look", "caveat"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cell in one run."""

    entry: Entry
    result: Result
    software: Software | None  # None: no replicate had a time
    before: str = ""  # name of the run before it on the same host; empty: it is the first there
    changes: tuple[str, ...] = ()  # what is other than in that run: "torch 2.12.0 → 2.13.0"
    host: int = 1  # number of its host on the page, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A cell over runs."""

    cell: Cell
    label: str
    title: str  # of the framework
    folder: str
    points: tuple[Point, ...]  # the newest first
    hosts: tuple[str, ...]
    digests: tuple[str, ...]  # of the data that it is made from

    @property
    def newest(self) -> Point:
        """The newest run with a time; without any, the newest."""
        return next((point for point in self.points if point.result.step_ns is not None), self.points[0])


def histories(kept: Sequence[Kept]) -> tuple[History, ...]:
    """Return the history of each cell; `kept` has the newest run first."""
    found: dict[str, list[tuple[Kept, Result]]] = {}
    for each in kept:
        for result in each.entry.cells:
            found.setdefault(names.cell_folder(result.cell), []).append((each, result))
    return tuple(_history(folder, found[folder]) for folder in sorted(found))


def _history(folder: str, seen: Sequence[tuple[Kept, Result]]) -> History:
    first = seen[0][1]
    hosts = tuple(dict.fromkeys(each.entry.host for each, _ in reversed(seen)))
    return History(
        cell=first.cell,
        label=first.label,
        title=first.title,
        folder=folder,
        points=_points([(each.entry, result) for each, result in seen], hosts),
        hosts=hosts,
        digests=tuple(each.digest for each, _ in seen),
    )


def _points(seen: Iterable[tuple[Entry, Result]], hosts: Sequence[str]) -> tuple[Point, ...]:
    last: dict[str, Point] = {}
    points = []
    for entry, result in reversed(list(seen)):
        software = _software_of(entry, result)
        before = last.get(entry.host)
        point = Point(
            entry=entry,
            result=result,
            software=software,
            before=before.entry.name if before else "",
            changes=_changes(before, entry, software) if before else (),
            host=hosts.index(entry.host) + 1,
        )
        if result.step_ns is not None:
            last[entry.host] = point
        points.append(point)
    return tuple(reversed(points))


def _software_of(entry: Entry, result: Result) -> Software | None:
    wanted = result.framework, result.device
    return next((each for each in entry.software if (each.framework, each.device) == wanted), None)


def _changes(before: Point, entry: Entry, software: Software | None) -> tuple[str, ...]:
    """Return what a run computes with that the one before it on this host did not."""
    then, now = _parts(before.entry, before.software), _parts(entry, software)
    return tuple(
        f"{part} {then.get(part, 'not there')} → {now.get(part, 'not there')}"
        for part in {**then, **now}
        if software and before.software and then.get(part) != now.get(part)
    )


def _parts(entry: Entry, software: Software | None) -> Mapping[str, str]:
    if software is None:
        return {}
    versions = dict(version.split("==", 1) for version in software.versions if "==" in version)
    python = software.python.split(" ", 1)[0]
    return {**versions, "Python": python, **({"driver": entry.driver} if entry.driver else {})}


def as_csv(history: History) -> str:
    """Return all runs of a history as CSV, the newest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in history.points:
        entry, result, software = point.entry, point.result, point.software
        writer.writerow(
            field(value)
            for value in (
                entry.id,
                moment(entry.started_unix_ns),
                f"{entry.cpu}, {entry.cores} CPUs",
                entry.gpu,
                entry.driver,
                software.python if software else None,
                " ".join(software.versions) if software else None,
                result.status,
                result.reason,
                *(ns / 1e3 if ns is not None else None for ns in (result.step_ns, result.low_ns, result.high_ns)),
                len(result.times),
                result.first_step_ns / 1e6 if result.first_step_ns is not None else None,
                entry.floor,
                entry.has_control,
                entry.is_first_look,
                entry.caveat,
            )
        )
    return text.getvalue()


def moment(unix_ns: int) -> str:
    """Return a time in UTC to the minute, in ISO 8601 with a blank."""
    return datetime.datetime.fromtimestamp(unix_ns / 1e9, datetime.UTC).strftime("%Y-%m-%d %H:%M")
