"""What a person sees of long work: what runs, how it ended, how much is left; plain lines when it is no terminal."""

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from bench.records.record import Cell, Record
from harness.format import minutes
from harness.plan.label import name
from harness.plan.plan import Plan, PlannedReplicate, is_planned
from harness.stats import estimate


class Show(Protocol):
    """What the run tells about itself."""

    def say(self, line: str) -> None:
        """Take one line for a person."""
        ...

    def begin(self, planned: PlannedReplicate) -> None:
        """Take the replicate that starts now."""
        ...

    def end(self, record: Record) -> None:
        """Take the record of the replicate that has ended."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was; safe to call twice."""
        ...


class TimeLeft:
    """How long the rest will take: each cell as its own replicates did, an unseen cell as the mean of the others."""

    def __init__(
        self,
        plan: Plan,
        records: tuple[Record, ...] = (),
        copies: int = 1,
        earlier: Mapping[Cell, float] | None = None,
    ) -> None:
        """Know the plan, what was measured of it, and what replicates took in `earlier` runs, in seconds."""
        self._earlier = earlier or {}
        self._most = "at most " if plan.looks else ""  # it may end earlier
        self._left: dict[Cell, int] = defaultdict(int)
        for planned in plan.in_order():
            self._left[planned.cell] += copies
        self._seconds: dict[Cell, list[float]] = defaultdict(list)
        for record in records:
            self.count(record)

    def count(self, record: Record) -> None:
        """Take note of a replicate that has ended."""
        if record.cell.track == "export":  # beside the plan, when a replicate needs it
            return
        self._left[record.cell] -= is_planned(record)
        self._seconds[record.cell].append(record.wall_ns / 1e9)

    def seconds(self) -> float | None:
        """Return the seconds left, None while nothing is known."""
        means = {cell: seconds for cell, seconds in self._earlier.items() if cell in self._left}
        means |= {cell: statistics.fmean(seen) for cell, seen in self._seconds.items()}
        if not means:
            return None
        typical = statistics.fmean(means.values())
        return sum(left * means.get(cell, typical) for cell, left in self._left.items())

    def words(self) -> str:
        """Return the estimate for a person."""
        seconds = self.seconds()
        return "time left not known yet" if seconds is None else f"{self._most}about {minutes(seconds)} left"


def result(record: Record) -> str:
    """Return how a replicate ended, in a few words."""
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    if record.idiomatic:
        return f"ok, {record.idiomatic.total_ns / 1e9:.1f} s from a cold start"
    if record.memory and record.memory.readings:
        return f"ok, peak {(record.memory.host_peak_rss_bytes or 0) / 2**20:,.0f} MiB"
    step_ns = estimate.step_ns(record.timing) if record.timing else None
    return "ok" if step_ns is None else f"ok, {step_ns / 1e3:.4g} µs a step"


class PlainProgress:
    """One line when a replicate has ended."""

    def __init__(self, plan: Plan, records: tuple[Record, ...], write: Callable[[str], None], copies: int = 1) -> None:
        self._write = write
        self._total = plan.replicates * copies
        self._done = sum(map(is_planned, records))
        self._time_left = TimeLeft(plan, records, copies)

    def say(self, line: str) -> None:
        """Write the line."""
        self._write(line)

    def begin(self, planned: PlannedReplicate) -> None:
        """Nothing: the line comes with the result."""

    def end(self, record: Record) -> None:
        """Write which replicate ended, how, and what is left."""
        self._done += is_planned(record)
        self._time_left.count(record)
        self._write(
            f"[{self._done:>{len(str(self._total))}}/{self._total}] block {record.block}  {name(record.cell)}:"
            f" {result(record)} ({record.wall_ns / 1e9:.1f} s; {self._time_left.words()})"
        )

    def close(self) -> None:
        """Nothing is held."""


class TerminalProgress:
    """A bar with what runs now; a line above it for each replicate that has ended."""

    def __init__(self, plan: Plan, records: tuple[Record, ...], console: Console, copies: int = 1) -> None:
        self._time_left = TimeLeft(plan, records, copies)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}", style="dim"),
            console=console,
            transient=True,
        )
        done = sum(map(is_planned, records))
        self._task: TaskID = self._progress.add_task("", total=plan.replicates * copies, completed=done)
        self._progress.start()

    def say(self, line: str) -> None:
        """Write the line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False)

    def begin(self, planned: PlannedReplicate) -> None:
        """Show what runs now."""
        what = f"block {planned.block}: {name(planned.cell)}, {self._time_left.words()}"
        self._progress.update(self._task, description=what)

    def end(self, record: Record) -> None:
        """Write how it ended and move the bar."""
        self._time_left.count(record)
        style = {"ok": "green", "skipped": "yellow"}.get(record.status, "red")
        mark = ("✓ " if record.status == "ok" else "✗ ", style)
        what = f"block {record.block}  {name(record.cell)}: "
        self._progress.console.print(
            Text.assemble(mark, what, (f"{result(record)} ({record.wall_ns / 1e9:.1f} s)", "dim"))
        )
        self._progress.advance(self._task, int(is_planned(record)))

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def progress(plan: Plan, records: tuple[Record, ...], copies: int = 1) -> Show:
    """Return what fits standard output, a terminal or a file; `copies` runs of the plan go side by side."""
    console = Console(file=sys.stdout)
    if console.is_terminal:
        return TerminalProgress(plan, records, console, copies)
    return PlainProgress(plan, records, lambda line: print(line, flush=True), copies)


def say(line: str) -> None:
    """Print one line of progress at once."""
    print(line, flush=True)
