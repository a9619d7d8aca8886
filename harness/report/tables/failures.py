"""What replicates without a result printed last, for a list on the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Cell, Record, Status
from bench.records.text import TAIL_LINES, indented
from harness.format import listed
from harness.plan import label
from harness.report.tables.row import ordered
from harness.store.folder import log_path
from harness.validity.results import Run

WRONG: Final[tuple[Status, ...]] = ("failed", "invalid", "oom", "timeout")
MOST: Final = 200  # that are shown; each has up to 20 lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What the replicates of one cell that ended alike printed."""

    title: str  # of the framework
    name: str  # the cell in words, without the framework
    status: Status
    reason: str
    ended: str  # in which replicates and how, in words
    tail: tuple[str, ...]  # the last lines of the first of them that printed something; none: nothing was kept
    logs: tuple[str, ...]  # files with all that they printed, in the folder of the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """All that is known of what failed."""

    shown: tuple[Printed, ...]
    left_out: int  # further ones, beyond `MOST`


def failures(run: Run) -> Failures:
    """Return what is known of the failed and invalid replicates of `run`, also of those that were repeated.

    A replicate of which neither a line nor a log was kept has nothing to show beyond its reason in the tables.
    """
    groups: dict[Cell, dict[tuple[Status, str], list[Record]]] = {}
    for record in (*run.records, *run.replaced):
        if record.status in WRONG:
            groups.setdefault(record.cell, {}).setdefault((record.status, record.reason), []).append(record)
    printed = [_printed(run, cell, alike) for cell in ordered(run, groups) for alike in groups[cell].values()]
    known = [each for each in printed if each.tail or each.logs]
    return Failures(shown=tuple(known[:MOST]), left_out=max(0, len(known) - MOST))


def _printed(run: Run, cell: Cell, alike: Sequence[Record]) -> Printed:
    tails = (record.failure.tail for record in alike if record.failure is not None)
    title = run.title(cell.framework_id)
    return Printed(
        title=title,
        name=label.name(cell).removeprefix(cell.framework_id).strip(),
        status=alike[0].status,
        reason=alike[0].reason,
        ended=_ended(alike),
        tail=tuple(indented(line) for line in next(filter(None, tails), ())[-TAIL_LINES:]),
        logs=tuple(path for record in alike if (path := str(log_path(record))) in run.logs),
    )


def _ended(alike: Sequence[Record]) -> str:
    """Return in which blocks the replicates ended alike, in which phase, and with which exit code or signal."""
    blocks = listed(_distinct(str(record.block) for record in alike))
    parts = [f"block {blocks}" if len({record.block for record in alike}) == 1 else f"blocks {blocks}"]
    phases = _distinct(record.failure.phase for record in alike if record.failure is not None)
    parts += [f"in the phase {listed(phases)}"] if phases else []
    signals = _distinct(record.failure.signal for record in alike if record.failure is not None)
    codes = _distinct(
        f"exit code {record.failure.exit_code}"
        for record in alike
        if record.failure is not None and record.failure.exit_code is not None
    )
    return ", ".join([*parts, *signals, *codes])


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, texts)))
