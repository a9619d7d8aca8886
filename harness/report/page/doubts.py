"""What a reader of a run cannot trust: cells without a valid time, warnings, and how far the session tells things."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.records.record import Status
from harness.format import listed
from harness.report.disturbance import disturbance_sentences
from harness.report.matrix import names_in
from harness.report.overview import CellFacts
from harness.report.tables.all import Tables
from harness.report.tables.session import verdict_sentences
from harness.report.words import count
from harness.stats.flags import Flag, legend
from harness.validity.results import Run
from harness.validity.validity import WORST_FIRST

ITS_WORKLOAD: Final = "\0"  # stands for the cell's workload in a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """Cells without a valid result, for one reason; reasons that differ only in the workload are one."""

    anchor: str
    status: Status
    reason: str
    names: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Cells with one warning."""

    flag: Flag
    cells: str  # how many of those with a time
    names: str  # empty: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """All that speaks against trusting a run."""

    sentences: tuple[str, ...]
    without: tuple[Without, ...]  # the worst first
    warned: tuple[Warned, ...]  # the most frequent first
    anchors: Mapping[int, str] = field(default_factory=dict)  # of the entry of a cell without a result, by its index


def doubts(run: Run, tables: Tables, cells: Sequence[CellFacts]) -> Doubts:
    """Return what speaks against trusting `run`; `cells`: those of its overview and the parallel ones."""
    timed = [row for row in tables.steps.rows if row.step_ns is not None and row.status == "ok"]
    groups: dict[tuple[Status, str], list[int]] = {}
    for index, cell in enumerate(cells):
        if cell.status != "ok":
            groups.setdefault((cell.status, _of_any_workload(cell)), []).append(index)
    keys = sorted(groups, key=lambda key: WORST_FIRST.index(key[0]))
    without = tuple(
        Without(
            anchor=f"why-{at}",
            status=key[0],
            reason=key[1].replace(ITS_WORKLOAD, listed(list(dict.fromkeys(cells[i].workload for i in groups[key])))),
            names=names_in([cells[i] for i in groups[key]], cells),
        )
        for at, key in enumerate(keys, start=1)
    )
    said = (*disturbance_sentences(run, timed), *(verdict_sentences(run) if run.is_timed else ()))
    return Doubts(
        sentences=said,
        without=without,
        warned=tuple(_warned(legend((*tables.steps.flags, *tables.scaling.flags)), cells)),
        anchors={index: entry.anchor for key, entry in zip(keys, without, strict=True) for index in groups[key]},
    )


def _of_any_workload(cell: CellFacts) -> str:
    """Return the reason of a cell without the name of its workload."""
    return re.sub(rf"(?<![\w-]){re.escape(cell.workload)}(?![\w-])", ITS_WORKLOAD, cell.reason)


def _warned(flags: Iterable[Flag], cells: Sequence[CellFacts]) -> Iterable[Warned]:
    timed = [cell for cell in cells if cell.step_ns is not None]
    having = {flag: [cell for cell in timed if flag.name in cell.flags] for flag in flags}
    for flag, rows in sorted(having.items(), key=lambda pair: -len(pair[1])):
        if rows:
            is_all = len(rows) == len(timed)
            words = f"all {count(len(timed), 'cell')}" if is_all else f"{len(rows)} of {count(len(timed), 'cell')}"
            yield Warned(flag=flag, cells=words, names="" if is_all else names_in(rows, cells))
