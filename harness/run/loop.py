"""The loop of a session: block by block, the next replicate of each run, or a group of them that takes turns.

    block ─→ drift probe ─→ groups: the timed replicates ─→ hello worlds, limits, memory, energy ─→ second attempts

Several runs of one plan go side by side: each replicate in all of them, in random order, in one group where they take
turns. Where they do not, every replicate runs alone, in the order of the plan.
"""

import contextlib
import dataclasses
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.catalogue import DRIFT_PROBE, TIMED
from bench.records.record import Cell, Record
from harness.host import gpus, processors
from harness.launchers.base import Launcher
from harness.plan.label import name
from harness.plan.plan import PlannedReplicate
from harness.run.active import ActiveRun
from harness.run.groups import Candidate, Groups
from harness.run.ladders import SizesToSkip
from harness.run.models import Exports
from harness.run.progress import Show
from harness.run.reruns import Reruns
from harness.run.room import Need
from harness.run.runner import GroupMember, Runner
from harness.run.stopping import Stop
from harness.run.trained import Trained
from harness.samplers.observer import Observer
from harness.store.facts import RunFacts
from harness.store.replicates import measured
from harness.validity.validity import GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One run of a session, and what makes its processes."""

    run: ActiveRun
    launcher: Launcher
    unprepared: Mapping[str, str] = dataclasses.field(default_factory=dict)  # by `framework_id`: why there is no
    # environment


def execute(lanes: Sequence[Lane], show: Show, after_group: Callable[[], None] = lambda: None) -> None:
    """Run every replicate of the plan that has no record yet; each is on disk before the next one starts.

    A run ends with its plan, or after an interim analysis that finds all intervals narrow enough.

    Args:
        lanes: runs of the same plan. Replicates without an environment are recorded as failed.
        show: gets each replicate as it begins and ends.
        after_group: called when a group has ended, or a block where the processes do not take turns.

    Raises:
        StoreError: a record could not be kept.
        MachineError: no replicate can begin here any more, or one ran on another machine.
    """
    run = lanes[0].run
    with contextlib.ExitStack() as stack:
        stack.enter_context(processors.away(run.facts.cpus))
        active = [_Active(lane, show, stack.enter_context(contextlib.closing(_observer(lane, show)))) for lane in lanes]
        for block in run.plan.in_blocks():
            left = [(each, planned) for each in active for planned in each.left(block)]
            _run_block(left, block[0].block, run, show, after_group)
            for each in active:
                each.take_again(block)
            if all(each.is_over for each in active):
                return


def _observer(lane: Lane, show: Show) -> Observer:
    facts = lane.run.facts
    gpu = gpus.wanted(os.environ, in_container=lane.launcher.in_container)
    return Observer(device=facts.device, gpu=gpu, say=show.say, shared_gpu=facts.shared_gpu)


def _run_block(
    left: Sequence[tuple["_Active", PlannedReplicate]],
    block: int,
    run: ActiveRun,
    show: Show,
    after_group: Callable[[], None],
) -> None:
    """Run what is left of a block, in all lanes."""
    rng = random.Random(f"{run.plan.seed}/{block}")
    in_order = sorted(left, key=lambda item: (item[1].position, rng.random()))
    if not run.facts.alternates:
        for lane, planned in in_order:
            lane.take(planned)
        after_group()
        return
    first = [item for item in in_order if item[1].cell.track == DRIFT_PROBE]
    timed = [item for item in in_order if item[1].cell.track in TIMED]
    for lane, planned in first:
        lane.take(planned)
    Groups(run, rng, show, after_group).measure([lane.candidate(planned) for lane, planned in timed])
    for lane, planned in in_order:
        if planned.cell.track not in (*TIMED, DRIFT_PROBE):
            lane.take(planned)


class _Active:
    """One lane while it runs: what is known from its records so far."""

    def __init__(self, lane: Lane, show: Show, observer: Observer) -> None:
        run = lane.run
        kept = measured(run.folder.replicates())
        self._run = run
        self._show = show
        self._runner = Runner(run, lane.launcher, lane.unprepared, show, observer)
        self._done = {(record.cell, record.block) for record in kept}
        self._reruns = Reruns(run.facts, kept)
        self._frozen = {record.cell: record.timing.calls_per_round for record in reversed(kept) if record.timing}
        self._exports = Exports(
            run.facts.frameworks,
            kept,
            self._runner.keep,
            artifact=run.folder.models.artifact,
            trained=Trained(run.folder.models, run.plan.cells),
        )
        self._to_skip = SizesToSkip(run.facts.workloads, kept)
        self._stop = Stop(run.plan.looks, until=run.until, facts=run.facts)
        self._in_container = lane.launcher.in_container
        self._seen = {record.cell: record for record in kept if record.memory}
        self.is_over = False

    def left(self, block: Sequence[PlannedReplicate]) -> list[PlannedReplicate]:
        """Return the replicates of a block that are still to be run."""
        standing = self._reruns.standing()
        dropped = [planned for planned in block if self._stop.is_before(planned, standing)]
        self.is_over = bool(dropped)
        return [
            planned for planned in block if planned not in dropped and (planned.cell, planned.block) not in self._done
        ]

    def take(self, planned: PlannedReplicate) -> None:
        """Run one replicate alone."""
        self._show.begin(planned)
        if reason := self._to_skip.reason(planned.cell):
            self._note(self._runner.leave_out(planned, reason))
        else:
            calls = self._frozen.get(planned.cell)
            self._note(self._runner.keep(planned, calls_per_round=calls, model=self._exports.model(planned)))

    def candidate(self, planned: PlannedReplicate) -> Candidate:
        """Return one replicate, to be measured in a group."""
        return Candidate(
            planned=planned,
            need=self._need(planned.cell),
            make=lambda: self._member(planned),
            note=self._note,
        )

    def take_again(self, block: Sequence[PlannedReplicate]) -> None:
        """Run the invalid replicates of a block once more, each alone."""
        for planned, reason in self._reruns.due(block):
            self._show.say(f"Once more, in block {planned.block}: {name(planned.cell)}, {reason}")
            self.take(planned)

    def _member(self, planned: PlannedReplicate) -> GroupMember | None:
        """Return a member that is not started yet; None: its record says why there is none."""
        self._show.begin(planned)
        if reason := self._to_skip.reason(planned.cell):
            self._note(self._runner.leave_out(planned, reason))
            return None
        calls = self._frozen.get(planned.cell)
        member = self._runner.member(planned, calls_per_round=calls, model=self._exports.model(planned))
        if isinstance(member, Record):
            self._note(member)
            return None
        return member

    def _note(self, record: Record) -> None:
        self._to_skip.note(record)
        self._reruns.note(record)
        if record.timing:
            self._frozen.setdefault(record.cell, record.timing.calls_per_round)
        if record.memory:
            self._seen[record.cell] = record

    def _need(self, cell: Cell) -> Need:
        """Return the memory that a process of `cell` needs, from its last replicate."""
        seen = self._seen.get(cell)
        return Need(
            framework=cell.framework_id,
            in_container=self._in_container,
            host_bytes=seen.memory.host_peak_rss_bytes if seen and seen.memory else None,
            device_bytes=seen.observation.device_process_peak_bytes if seen and seen.observation else None,
        )


def finished(facts: RunFacts, records: Sequence[Record], wall_s: float) -> RunFacts:
    """Return `facts` with the versions and images that the replicates recorded, and `wall_s` seconds more."""
    versions: dict[str, str] = {}
    images: dict[str, str] = {}
    for record in records:
        if record.environment and record.environment.versions:
            versions[record.cell.framework_id] = " ".join(record.environment.versions)
        if record.environment and record.environment.image:
            images[record.cell.framework_id] = record.environment.image
    return dataclasses.replace(
        facts,
        wall_s=facts.wall_s + wall_s,
        versions=tuple(f"{name}: {installed}" for name, installed in versions.items()),
        images=tuple(f"{name}: {digest}" for name, digest in images.items()),
    )


def bad_cells(records: Sequence[Record]) -> list[Cell]:
    """Return the cells with a replicate that is invalid, failed, timed out or ran out of memory."""
    return list(dict.fromkeys(record.cell for record in records if record.status not in GOOD))
