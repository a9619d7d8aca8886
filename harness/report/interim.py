"""The report of a run that goes on: tables and page on disk, and the table of steps in the terminal.

It is made in the harness's process between two groups, while no replicate runs: it may take a second, and no more than
a fiftieth of the time. So a long run renews it less often than after each group.
"""

import io
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from harness.errors import StoreError
from harness.plan.plan import Plan, PlannedReplicate, is_planned
from harness.report.exporters import EXPORTERS, exporter, html
from harness.report.exporters.console import print_grid
from harness.report.tables.all import Tables, tables
from harness.report.view import view
from harness.report.write import MADE_FROM, PAGE, source, write_files
from harness.store.facts import renamed
from harness.store.folder import RunFolder
from harness.terminal.failures import brief
from harness.terminal.streams import console
from harness.validity.results import Run, load

SHARE: Final = 0.02  # of the time, that renewing may take
MOST_ROWS: Final = 30  # a longer table is printed only when a further block has ended
GOES_ON: Final = "the run goes on"  # in the facts of the page
TIMED: Final = "identical"  # track of the cells in the table of steps
BESIDE: Final = tuple(name for name in EXPORTERS if name != "html")  # formats that are written beside the page

Say = Callable[[str], None]


@dataclass(slots=True)
class Interim:
    """Renews the report of one run."""

    folder: RunFolder
    say: Say | None = None  # gets the table so far; None: only on disk, as for runs side by side
    clock: Callable[[], float] = time.perf_counter
    _due: float = field(default=0.0, init=False)  # the clock's time from which the report may be renewed again
    _blocks: int = field(default=0, init=False)  # that had ended when the table was last printed

    def after_group(self) -> None:
        """Renew the report, unless that would take more than its share of the time; never fail for it."""
        begin = self.clock()
        if begin < self._due:
            return
        self._attempt(ended=False)
        end = self.clock()
        self._due = end + (end - begin) / SHARE

    def at_interrupt(self) -> None:
        """Renew the report of a run that was interrupted; never fail for it."""
        self._attempt(ended=True)

    def _attempt(self, *, ended: bool) -> None:
        try:
            self._renew(ended=ended)
        except Exception as error:  # noqa: BLE001  (whatever it is, measuring goes on)
            if self.say:
                why = error if isinstance(error, StoreError) else brief(error)
                self.say(f"The report so far cannot be written: {why}")

    def _renew(self, *, ended: bool) -> None:
        plan, run = self.folder.plan(), so_far(load(self.folder), ended=ended)
        has_more = any(planned.block <= plan.blocks for planned in left(run, plan))
        if not any(map(is_planned, run.records)) or not (has_more or ended):  # the whole report comes next
            return
        computed, state = tables(run), sentence(run, plan)
        page = write(run, computed, state, self.folder.report_path)
        write_files(self.folder.report_path, {MADE_FROM: source(self.folder, whole=False)})
        if self.say is None:
            return
        blocks = len(ended_blocks(run, plan))
        if len(computed.timed) <= MOST_ROWS or blocks > self._blocks or ended:
            self.say(text(computed, state))
        self._blocks = blocks
        self.say(f"Report so far: {page}")


def so_far(run: Run, *, ended: bool) -> Run:
    """Return `run` as it is reported before its end.

    The block that is being measured counts as complete: of the groups that it has so far, each is whole.
    """
    wall_s = run.facts.wall_s or (time.time_ns() - run.facts.started_unix_ns) / 1e9
    facts = run.facts if ended else replace(run.facts, wall_s=wall_s, ended=GOES_ON)
    current = max((record.block for record in run.records), default=0)
    return replace(run, facts=facts, incomplete=tuple(block for block in run.incomplete if block != current))


def ended_blocks(run: Run, plan: Plan) -> tuple[int, ...]:
    """Return the blocks of `plan` that have been measured: hello worlds and the like may be left in them."""
    has_times = any(cell.track == TIMED for cell in plan.cells)
    unfinished = {planned.block for planned in left(run, plan) if planned.cell.track == TIMED or not has_times}
    return tuple(block for block in range(1, plan.blocks + 1) if block not in unfinished)


def left(run: Run, plan: Plan) -> list[PlannedReplicate]:
    """Return what is planned and has no record; at the end, only the drift probes that follow the last block."""
    done = {(record.cell, record.block) for record in run.records}
    return [planned for planned in plan.in_order() if (renamed(planned.cell), planned.block) not in done]


def sentence(run: Run, plan: Plan) -> str:
    """Return how much of the run there is, and on how many blocks its figures stand."""
    ended = ended_blocks(run, plan)
    done = sum(map(is_planned, run.records))
    where = f"After block {len(ended)} of {plan.blocks}" if ended else f"In block 1 of {plan.blocks}"
    good = Counter(record.cell for record in run.records if record.cell.track == TIMED and record.status == "ok")
    fewest, most = min(good.values(), default=0), max(good.values(), default=0)
    blocks = f"{most} block" if most == 1 else f"{most} blocks"
    stands = f"each time stands on {blocks if fewest == most else f'{fewest} to {blocks}'}" if good else "no times yet"
    return f"{run.caveat} {where}, {done} of {plan.replicates} replicates: {stands}.".lstrip()


def write(run: Run, computed: Tables, state: str, folder: Path) -> Path:
    """Write the tables and the page, headed by the sentence `state`, into `folder`; return the path of the page."""
    files: dict[str, str | bytes] = {}
    for name in BESIDE:
        files |= exporter(name).files(run, computed)
    files[PAGE] = html.page(run, computed, so_far=state)
    write_files(folder, files)
    return folder / PAGE


def text(computed: Tables, state: str) -> str:
    """Return the tables of scaling, variants and steps for the terminal, headed by the sentence `state`."""
    views = (view(computed.scaling, wide=False), view(computed.variants, wide=False), view(computed.steps, wide=False))
    shown = [each for each in views if each.rows]
    if not shown:
        return state
    apart = Console(file=io.StringIO(), width=console().width)
    with apart.capture() as printed:
        for each in shown:
            print_grid(each, apart)
    return f"\n{state}\n\n{printed.get().rstrip()}\n"
