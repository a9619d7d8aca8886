"""The loop of a run: run the next replicate of the plan, keep its record, show the progress."""

import contextlib
import dataclasses
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.records.record import Cell, Failure, Record, RepeatKind
from bench.turns.turn import Model, Settings, Turn, to_record
from harness.host import gpus, processors
from harness.launchers.base import Launcher
from harness.plan.label import name
from harness.plan.plan import Plan, PlannedReplicate
from harness.run.ladders import SizesToSkip
from harness.run.models import Exports
from harness.run.progress import Show
from harness.run.reruns import Reruns
from harness.run.stopping import Stop
from harness.samplers.observer import Observer
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder
from harness.store.samples import Sample
from harness.validity.validity import GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """A run: what it measures, and where its results go."""

    folder: RunFolder
    plan: Plan
    facts: RunFacts
    settings: Settings
    until: int | None = None  # the last block, as --blocks asks; None: as planned


def execute(run: ActiveRun, launcher: Launcher, unprepared: Mapping[str, str], show: Show) -> None:
    """Run every replicate of the plan that has no record yet; see `steps`."""
    processors.leave(run.facts.cpus)
    for _ in steps(run, launcher, unprepared, show):
        pass


def steps(run: ActiveRun, launcher: Launcher, unprepared: Mapping[str, str], show: Show) -> Iterator[Record]:
    """Run one replicate after the other that has no record yet; each is on disk before it is yielded.

    The run ends with its plan, or after an interim analysis that finds all intervals narrow enough.

    Args:
        run: the plan and the folder.
        launcher: makes fresh processes.
        unprepared: by framework, why it has no environment; its replicates are recorded as failed.
        show: gets each replicate as it begins and ends.

    Raises:
        StoreError: a record could not be kept.
    """
    gpu = gpus.wanted(os.environ, in_container=launcher.in_container)
    with contextlib.closing(
        Observer(device=run.facts.device, gpu=gpu, say=show.say, shared_gpu=run.facts.shared_gpu)
    ) as observer:
        yield from _steps(run, Runner(run, launcher, unprepared, show, observer), show)


def _steps(run: ActiveRun, runner: "Runner", show: Show) -> Iterator[Record]:
    kept = run.folder.records()
    done = {(record.cell, record.block) for record in kept}
    reruns = Reruns(run.facts, kept)
    frozen = {record.cell: record.timing.calls_per_round for record in reversed(kept) if record.timing}
    exports = Exports(run.facts.frameworks, kept, runner.keep)
    to_skip = SizesToSkip(run.facts.workloads, kept)
    stop = Stop(run.plan.looks, until=run.until)

    def take(planned: PlannedReplicate) -> Record:
        show.begin(planned)
        if reason := to_skip.reason(planned.cell):
            record = runner.leave_out(planned, reason)
        else:
            calls = frozen.get(planned.cell)
            record = runner.keep(planned, calls_per_round=calls, model=exports.model(planned))
        to_skip.note(record)
        reruns.note(record)
        if record.timing:
            frozen.setdefault(record.cell, record.timing.calls_per_round)
        return record

    def take_again(block: Sequence[PlannedReplicate]) -> None:
        for planned, reason in reruns.due(block):
            show.say(f"Once more, in block {planned.block}: {name(planned.cell)}, {reason}")
            take(planned)

    for block in run.plan.in_blocks():
        standing = reruns.standing()
        dropped = [planned for planned in block if stop.is_before(planned, standing)]
        left = [planned for planned in block if planned not in dropped and (planned.cell, planned.block) not in done]
        for planned in left[:-1]:
            yield take(planned)
        last = take(left[-1]) if left else None
        take_again(block)  # before the last is yielded, so that runs side by side stay in the same block
        if last:
            yield last
        if dropped:
            return


class Runner:
    """Runs single replicates of a run and keeps their records, samples and logs."""

    def __init__(
        self,
        run: ActiveRun,
        launcher: Launcher,
        unprepared: Mapping[str, str],
        show: Show,
        observer: Observer | None = None,
    ) -> None:
        """Run with `launcher`, watched by `observer`; None: one that watches the processors and no GPU."""
        self._run = run
        self._launcher = launcher
        self._unprepared = unprepared
        self._show = show
        self._observer = observer or Observer(device="cpu", gpu="", say=show.say)

    def keep(
        self, planned: PlannedReplicate, *, calls_per_round: int | None = None, model: Model | str | None = None
    ) -> Record:
        """Run one replicate; its record, samples and log are on disk when this returns.

        Args:
            planned: the replicate.
            calls_per_round: as calibrated in an earlier block; None: to be calibrated.
            model: the exported model that it runs; a string: why there is none; None: it needs none.

        Raises:
            StoreError: they could not be kept.
        """
        folder = self._run.folder
        samples: Sequence[Sample] = ()
        log = ""
        if isinstance(model, str):
            record = not_started(planned, model)
        elif reason := self._unprepared.get(planned.cell.framework):
            record = not_started(planned, reason)
        else:
            turn = turn_of(
                self._run, planned, launcher=self._launcher.name, calls_per_round=calls_per_round, model=model
            )
            with self._observer.watch(subject_of(planned)) as watch:
                outcome = self._launcher.take(turn, watch.started)
            record, samples, log = to_record(turn, outcome), watch.samples, outcome.log
            observation = watch.observation(record.energy)
            record = dataclasses.replace(record, attempt=planned.attempt, observation=observation)
        folder.append(record)
        folder.append_samples(samples)
        folder.write_log(record, log)
        self._show.end(record)
        return record

    def leave_out(self, planned: PlannedReplicate, reason: str) -> Record:
        """Keep a record of a replicate that is not run, because a smaller size of its cell ran out of memory."""
        record = dataclasses.replace(not_started(planned, reason), status="oom", reason=reason)
        self._run.folder.append(record)
        self._show.end(record)
        return record


def interleave(sequences: Sequence[Iterator[Record]], seed: int) -> None:
    """Run several runs of one plan side by side: each replicate in all of them, in random order, then the next one."""
    rng = random.Random(seed)
    while sequences:
        order = rng.sample(range(len(sequences)), len(sequences))
        ended = {index for index in order if next(sequences[index], None) is None}
        sequences = [sequence for index, sequence in enumerate(sequences) if index not in ended]


def turn_of(
    run: ActiveRun, planned: PlannedReplicate, *, launcher: str, calls_per_round: int | None, model: Model | None
) -> Turn:
    """Return the turn of one replicate, for the launcher called `launcher`; for the others see `Runner.keep`."""
    return Turn(
        cell=planned.cell,
        block=planned.block,
        position=planned.position,
        settings=run.settings,
        calls_per_round=calls_per_round,
        cpus=run.facts.cpus,
        threads=run.facts.threads,
        hash_seed=planned.hash_seed,
        timeout_s=run.facts.timeout_s,
        launcher=launcher,
        repeats=repeats_of(planned, run.settings),
        model=model,
    )


def repeats_of(planned: PlannedReplicate, settings: Settings) -> tuple[RepeatKind, ...]:
    """Return how a replicate repeats its work: on warm caches as the profile says, on other threads in block 1."""
    if planned.cell.track != "identical":
        return ()
    warm: tuple[RepeatKind, ...] = ("warm",) if planned.block <= settings.warm_blocks else ()
    return (*warm, "threads") if settings.other_threads and planned.block == 1 else warm


def subject_of(planned: PlannedReplicate) -> str:
    """Return the `subject` of a replicate's samples: its cell, its block, and "/2" for a second attempt."""
    again = f"/{planned.attempt}" if planned.attempt > 1 else ""
    return f"{planned.cell.id}#{planned.block}{again}"


def not_started(planned: PlannedReplicate, reason: str) -> Record:
    """Return the record of a replicate that was not started."""
    return Record(
        cell=planned.cell,
        block=planned.block,
        position=planned.position,
        attempt=planned.attempt,
        status="failed",
        reason=f"launch: {reason}",
        started_unix_ns=time.time_ns(),
        failure=Failure(phase="launch"),
    )


def finished(facts: RunFacts, records: Sequence[Record], wall_s: float) -> RunFacts:
    """Return `facts` with the versions and images that the replicates recorded, and `wall_s` seconds more."""
    versions: dict[str, str] = {}
    images: dict[str, str] = {}
    for record in records:
        if record.environment and record.environment.versions:
            versions[record.cell.framework] = " ".join(record.environment.versions)
        if record.environment and record.environment.image:
            images[record.cell.framework] = record.environment.image
    return dataclasses.replace(
        facts,
        wall_s=facts.wall_s + wall_s,
        versions=tuple(f"{name}: {installed}" for name, installed in versions.items()),
        images=tuple(f"{name}: {digest}" for name, digest in images.items()),
    )


def bad_cells(records: Sequence[Record]) -> list[Cell]:
    """Return the cells with a replicate that is invalid, failed, timed out or ran out of memory."""
    return list(dict.fromkeys(record.cell for record in records if record.status not in GOOD))
