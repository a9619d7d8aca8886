"""The progress of a run: what runs, how it ended, how much is left; a bar in a terminal, else plain lines."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from bench.records.record import Cell, Record
from harness.format import rough_duration
from harness.plan.label import name
from harness.plan.plan import Plan, PlannedReplicate, is_planned
from harness.stats import estimate
from harness.terminal import streams as terminal


class Show(Protocol):
    """Shows the progress of a run."""

    def say(self, line: str) -> None:
        """Show one line."""
        ...

    def begin(self, planned: PlannedReplicate) -> None:
        """Show the replicate that starts now."""
        ...

    def parked(self, planned: PlannedReplicate) -> None:
        """Show that a replicate is warm and waits for its group."""
        ...

    def take_turns(self, processes: int, seconds: float) -> None:
        """Show that a group of so many processes takes turns, for about so many seconds."""
        ...

    def end(self, record: Record) -> None:
        """Show the record of a replicate that has ended."""
        ...

    def close(self) -> None:
        """Restore the terminal; safe to call twice."""
        ...


class TimeLeft:
    """How long the rest of a run takes.

    A cell is taken to need the mean of its replicates so far; a cell without any, the mean of the other cells.
    """

    def __init__(
        self,
        plan: Plan,
        records: tuple[Record, ...] = (),
        *,
        copies: int = 1,
        earlier: Mapping[Cell, float] | None = None,
    ) -> None:
        """Take the plan, its `records` so far, and the seconds that replicates took in `earlier` runs, by cell.

        `copies` runs of the plan go side by side.
        """
        self._earlier = earlier or {}
        self._most = "at most " if plan.looks else ""  # an interim analysis may end the run
        self._left: dict[Cell, int] = defaultdict(int)
        for planned in plan.in_order():
            self._left[planned.cell] += copies
        self._seconds: dict[Cell, list[float]] = defaultdict(list)
        for record in records:
            self.count(record)

    def count(self, record: Record) -> None:
        """Take the record of a replicate that has ended."""
        if record.cell.track == "export":  # not in the plan: made when a replicate needs it
            return
        self._left[record.cell] -= is_planned(record)
        self._seconds[record.cell].append(record.wall_ns / 1e9)

    def seconds(self) -> float | None:
        """Return the seconds left; None: no replicate has ended, here or in earlier runs."""
        means = {cell: seconds for cell, seconds in self._earlier.items() if cell in self._left}
        means |= {cell: statistics.fmean(seconds) for cell, seconds in self._seconds.items()}
        if not means:
            return None
        typical = statistics.fmean(means.values())
        return sum(left * means.get(cell, typical) for cell, left in self._left.items())

    def text(self) -> str:
        """Return the estimate for people: "about 3 min 20 s left"."""
        seconds = self.seconds()
        return "time left not known yet" if seconds is None else f"{self._most}about {rough_duration(seconds)} left"


def result(record: Record) -> str:
    """Return how a replicate ended: its status with the reason or its main figure."""
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    if record.idiomatic:
        return f"ok, {record.idiomatic.total_ns / 1e9:.1f} s from a cold start"
    if record.memory and record.memory.readings:
        return f"ok, peak {(record.memory.host_peak_rss_bytes or 0) / 2**20:,.0f} MiB"
    step_ns = estimate.step_ns(record.timing) if record.timing else None
    return "ok" if step_ns is None else f"ok, {step_ns / 1e3:.4g} µs a step"


class PlainProgress:
    """Writes one line for each replicate that has ended."""

    def __init__(
        self, plan: Plan, records: tuple[Record, ...], write: Callable[[str], None], *, copies: int = 1
    ) -> None:
        self._write = write
        self._total = plan.replicates * copies
        self._done = sum(map(is_planned, records))
        self._time_left = TimeLeft(plan, records, copies=copies)

    def say(self, line: str) -> None:
        """Write the line."""
        self._write(line)

    def begin(self, planned: PlannedReplicate) -> None:
        """Do nothing: the line is written with the result."""

    def parked(self, planned: PlannedReplicate) -> None:
        """Write that it is ready."""
        self._write(f"block {planned.block}  {name(planned.cell)}: warm")

    def take_turns(self, processes: int, seconds: float) -> None:
        """Write that a group begins."""
        if processes > 1:
            self._write(f"{processes} processes take turns, some {rough_duration(seconds)}")

    def end(self, record: Record) -> None:
        """Write which replicate ended, how, and how much is left."""
        self._done += is_planned(record)
        self._time_left.count(record)
        self._write(
            f"[{self._done:>{len(str(self._total))}}/{self._total}] block {record.block}  {name(record.cell)}:"
            f" {result(record)} ({record.wall_ns / 1e9:.1f} s; {self._time_left.text()})"
        )

    def close(self) -> None:
        """Do nothing: nothing is held."""


class TerminalProgress:
    """Shows a bar with what runs now, and a line above it for each replicate that has ended."""

    def __init__(self, plan: Plan, records: tuple[Record, ...], console: Console, *, copies: int = 1) -> None:
        self._time_left = TimeLeft(plan, records, copies=copies)
        self._progress = Progress(
            SpinnerColumn("dots" if console.encoding.startswith("utf") else "line"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}", style="dim", markup=False),
            console=console,
            transient=True,
        )
        done = sum(map(is_planned, records))
        self._task: TaskID = self._progress.add_task("", total=plan.replicates * copies, completed=done)
        self._progress.start()
        terminal.clean_redirected()

    def say(self, line: str) -> None:
        """Write the line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def begin(self, planned: PlannedReplicate) -> None:
        """Show what runs now."""
        description = f"block {planned.block}: {name(planned.cell)}, {self._time_left.text()}"
        self._progress.update(self._task, description=description)

    def parked(self, planned: PlannedReplicate) -> None:
        """Show it beside the bar."""
        self._progress.update(self._task, description=f"block {planned.block}: {name(planned.cell)} is warm")

    def take_turns(self, processes: int, seconds: float) -> None:
        """Show it beside the bar."""
        text = f"{processes} processes take turns, some {rough_duration(seconds)}; {self._time_left.text()}"
        self._progress.update(self._task, description=text)

    def end(self, record: Record) -> None:
        """Write how it ended and move the bar."""
        self._time_left.count(record)
        style = {"ok": "green", "skipped": "yellow"}.get(record.status, "red")
        mark = ("✓ " if record.status == "ok" else "✗ ", style)
        replicate = f"block {record.block}  {name(record.cell)}: "
        self._progress.console.print(
            Text.assemble(mark, replicate, (f"{result(record)} ({record.wall_ns / 1e9:.1f} s)", "dim"))
        )
        self._progress.advance(self._task, int(is_planned(record)))

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def progress(plan: Plan, records: tuple[Record, ...], *, copies: int = 1) -> Show:
    """Return a bar where standard output is a terminal, else lines; `copies` runs of the plan go side by side."""
    console = terminal.console()
    if console.is_terminal:
        return TerminalProgress(plan, records, console, copies=copies)
    return PlainProgress(plan, records, lambda line: print(line, flush=True), copies=copies)


def say(line: str) -> None:
    """Print one line of progress at once."""
    print(line, flush=True)
