"""Tries cells one after the other, as a run does: the same runner, launcher, protocol and gate, in a folder of its own.

What was tried is kept at every moment, whatever ends the trial: the time, Ctrl-C, or the machine.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from bench.records.record import Cell, Record
from bench.turns.turn import Model
from harness.doctor.deep import cells as naming
from harness.doctor.deep.budget import Budget
from harness.errors import SamestepError
from harness.format import rough_duration
from harness.launchers.base import Launcher
from harness.plan.models import sources
from harness.plan.plan import PlannedReplicate
from harness.run.active import ActiveRun
from harness.run.models import Exports
from harness.run.runner import Runner
from harness.run.trained import Trained
from harness.samplers.observer import Observer

OUT_OF_TIME: Final = "out of time"
INTERRUPTED: Final = "interrupted"
STOPPED: Final = "the check was stopped"
RESULTS: Final[Mapping[str, str]] = {"ok": "works", "skipped": "skipped"}  # by status; all else: FAILS
FAILS: Final = "fails"
HOPELESS: Final = ("launch", "import", "device")  # phases in which a framework fails in each of its modes alike


class Beside(Protocol):
    """What goes on beside the cells of a trial."""

    def while_runs(self, planned: PlannedReplicate) -> contextlib.AbstractContextManager[object]:
        """Return what is open while a cell runs."""
        ...

    def after(self, record: Record) -> None:
        """Take note of how a cell ended."""
        ...


class Nothing:
    """Nothing goes on beside the cells (`Beside`)."""

    def while_runs(self, planned: PlannedReplicate) -> contextlib.AbstractContextManager[object]:
        """Return what does nothing."""
        return contextlib.nullcontext()

    def after(self, record: Record) -> None:
        """Do nothing."""


@dataclass(slots=True, kw_only=True)
class Tried:
    """What a trial has found so far."""

    records: dict[Cell, Record] = field(default_factory=dict)  # of each cell that was tried, in their order
    others: list[Record] = field(default_factory=list)  # exports, cells that were run once more or were cut short
    untried: dict[Cell, str] = field(default_factory=dict)  # why each of the others was not
    limit_s: dict[Cell, float] = field(default_factory=dict)  # how long each was given
    stopped: SamestepError | None = None  # what ended it
    interrupted: bool = False


class Lines:
    """Says how each cell ended, and how much time is left: a line for each (`harness.run.progress.Show`)."""

    def __init__(self, write: Callable[[str], None], total: int, budget: Budget) -> None:
        self._write = write
        self._total = total
        self._budget = budget
        self._done = 0

    def say(self, line: str) -> None:
        """Write the line."""
        self._write(line)

    def begin(self, planned: PlannedReplicate) -> None:
        """Do nothing: the line is written with the result."""

    def parked(self, planned: PlannedReplicate) -> None:
        """Do nothing: nobody takes turns."""

    def take_turns(self, processes: int, seconds: float) -> None:
        """Do nothing: nobody takes turns."""

    def end(self, record: Record) -> None:
        """Write how a cell ended."""
        is_export = record.cell.track == "export"
        self._done += not is_export and record.block == 1
        reason = f": {record.reason}" if record.reason else ""
        width = len(str(self._total))
        self._write(
            f"[{self._done:>{width}}/{self._total}] {naming.name(record.cell)} {result_of(record)}{reason}"
            f" ({record.wall_ns / 1e9:.1f} s; at most {rough_duration(self._budget.left_s)} left)"
        )

    def close(self) -> None:
        """Do nothing: nothing is held."""


class Trial:
    """Tries the cells of a run that has a folder and a launcher that is prepared."""

    def __init__(
        self,
        run: ActiveRun,
        launcher: Launcher,
        unprepared: Mapping[str, str],
        budget: Budget,
        *,
        observer: Observer,
        show: Lines,
        beside: Beside | None = None,
    ) -> None:
        """Try the cells of `run` in `launcher`; `unprepared`: by framework, why it has no environment."""
        self.tried = Tried()
        self._run = run
        self._budget = budget
        self._beside = beside or Nothing()
        self._runner = Runner(run, launcher, unprepared, show, observer)
        self._exports = Exports(
            run.facts.frameworks,
            (),
            self._export,
            artifact=run.folder.models.artifact,
            trained=Trained(run.folder.models, run.plan.cells),
        )
        self._trains_for = sources(run.facts.frameworks)
        self._cut: set[Cell] = set()  # exports that were cut short for want of time
        self._hopeless: dict[str, str] = {}  # by framework: the cell that failed before its mode mattered

    def all(self) -> None:
        """Try every cell of the plan for which there is time; `tried` has what came of it."""
        planned = list(self._run.plan.in_order())
        for number, replicate in enumerate(planned):
            left = planned[number:]
            try:
                self._one(replicate, len(left))
            except KeyboardInterrupt:
                self.tried.interrupted = True
            except SamestepError as error:
                self.tried.stopped = error
            if self.tried.interrupted or self.tried.stopped:
                why = INTERRUPTED if self.tried.interrupted else STOPPED
                self.tried.untried |= {one.cell: why for one in left if one.cell not in self.tried.records}
                return

    def then(self, read: Callable[[Callable[[Cell], Record | None]], None]) -> None:
        """Let `read` run a cell once more; what ends it ends the trial."""
        if self.tried.interrupted or self.tried.stopped:
            return
        try:
            read(self._once_more)
        except KeyboardInterrupt:
            self.tried.interrupted = True
        except SamestepError as error:
            self.tried.stopped = error

    def _once_more(self, cell: Cell) -> Record | None:
        """Run a cell that was tried again; None: there is no time for it."""
        replicate = next(planned for planned in self._run.plan.in_order() if planned.cell == cell)
        if not self._budget.has(cell):
            return None
        again = naming.repeated(replicate, position=self._run.plan.replicates + 1)
        record = self._keep(again, 1, self._exports.model(replicate))
        self.tried.others.append(record)
        return record

    def _one(self, planned: PlannedReplicate, left: int) -> None:
        cell = planned.cell
        if cell.framework in self._hopeless:
            self.tried.untried[cell] = f"see {self._hopeless[cell.framework]}"
            return
        if not self._budget.has(cell):
            self.tried.untried[cell] = OUT_OF_TIME
            return
        model = self._exports.model(planned)
        if isinstance(model, Record) and model.cell in self._cut:
            self.tried.untried[cell] = OUT_OF_TIME
            return
        with self._beside.while_runs(planned):
            record = self._keep(planned, left, model)
        self._note(record)
        self._beside.after(record)

    def _keep(self, planned: PlannedReplicate, left: int, model: Model | Record | None) -> Record:
        limit_s = self.tried.limit_s[planned.cell] = self._budget.limit_s(left)
        record = self._runner.keep(planned, model=model, timeout_s=limit_s)
        self._budget.note(planned.cell, record.wall_ns / 1e9)
        return record

    def _export(self, planned: PlannedReplicate, *, model: Model | None = None) -> Record:
        limit_s = self._budget.limit_s(len(self._run.plan.cells) - len(self.tried.records))
        record = self._runner.keep(planned, model=model, timeout_s=limit_s)
        self.tried.others.append(record)
        if record.status == "timeout" and self._budget.is_cut(limit_s):
            self._cut.add(record.cell)
        return record

    def _note(self, record: Record) -> None:
        cell = record.cell
        if record.status == "timeout" and self._budget.is_cut(self.tried.limit_s[cell]):
            self.tried.untried[cell] = OUT_OF_TIME
            self.tried.others.append(record)
            return
        self.tried.records[cell] = record
        is_own = (cell.framework, cell.mode) not in self._trains_for  # not for want of another framework's model
        if is_own and record.status == "failed" and record.failure and record.failure.phase in HOPELESS:
            self._hopeless[cell.framework] = naming.name(cell)


def result_of(record: Record) -> str:
    """Return in one word what came of a cell."""
    return RESULTS.get(record.status, FAILS)
