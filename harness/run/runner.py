"""Single replicates of a run: started, watched, ended; record, samples and log on disk."""

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence

from bench.records.record import Failure, Record, RepeatKind
from bench.turns.parking import Parked
from bench.turns.turn import Model, Outcome, Settings, Turn, to_record
from harness.launchers.base import Launcher
from harness.plan.plan import PlannedReplicate
from harness.run.active import ActiveRun
from harness.run.progress import Show
from harness.samplers.observer import Observer, Watch
from harness.store.samples import Sample


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
        self.launcher = launcher
        self._unprepared = unprepared
        self._show = show
        self.observer = observer or Observer(device="cpu", gpu="", say=show.say)

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
        turn = self._turn(planned, calls_per_round, model)
        if isinstance(turn, str):
            return self._keep(not_started(planned, turn))
        with self.observer.watch(subject_of(planned)) as watch:
            outcome = self.launcher.take(turn, watch.started)
        return self.keep_outcome(planned, turn, outcome, watch)

    def member(
        self, planned: PlannedReplicate, *, calls_per_round: int | None = None, model: Model | str | None = None
    ) -> "GroupMember | Record":
        """Return a replicate that takes turns, not started yet; or its record, where it cannot be. Else as `keep`."""
        turn = self._turn(planned, calls_per_round, model)
        if isinstance(turn, str):
            return self._keep(not_started(planned, turn))
        return GroupMember(self, planned, dataclasses.replace(turn, alternates=True))

    def keep_outcome(self, planned: PlannedReplicate, turn: Turn, outcome: Outcome, watch: Watch) -> Record:
        """Keep the record of a replicate that has ended, and what `watch` saw of it; raises StoreError."""
        record = to_record(turn, outcome)
        observation = watch.observation(record.energy)
        record = dataclasses.replace(record, attempt=planned.attempt, observation=observation)
        if record.status == "failed" and (damaged := self.launcher.damage(turn.cell.framework)):
            record = dataclasses.replace(record, reason=f"{record.reason}; {damaged}")
        return self._keep(record, watch.samples, outcome.log)

    def leave_out(self, planned: PlannedReplicate, reason: str) -> Record:
        """Keep a record of a replicate that is not run, because a smaller size of its cell ran out of memory."""
        record = dataclasses.replace(not_started(planned, reason), status="oom", reason=reason)
        return self._keep(record)

    def _keep(self, record: Record, samples: Sequence[Sample] = (), log: str = "") -> Record:
        folder = self._run.folder
        folder.append(record)
        folder.append_samples(samples)
        folder.write_log(record, log)
        self._show.end(record)
        return record

    def _turn(self, planned: PlannedReplicate, calls_per_round: int | None, model: Model | str | None) -> Turn | str:
        """Return the turn of a replicate, or why there is none."""
        if isinstance(model, str):
            return model
        if reason := self._unprepared.get(planned.cell.framework):
            return reason
        return turn_of(self._run, planned, launcher=self.launcher.name, calls_per_round=calls_per_round, model=model)


class GroupMember:
    """A replicate that takes turns: started alone, run in time slices, finished alone, its record kept.

    A method that returns a record has ended the replicate.
    """

    def __init__(self, runner: Runner, planned: PlannedReplicate, turn: Turn) -> None:
        """Take `turn` of `planned`; see `Runner.member`."""
        self.planned = planned
        self.parked: Parked | None = None  # what it said when it parked; None: it has not
        self._runner = runner
        self._turn = turn
        self._member = runner.launcher.member(turn)
        self._watch = runner.observer.watch(subject_of(planned))
        self._open = contextlib.ExitStack()

    def start(self) -> Record | None:
        """Start it and wait until it parks (None) or ends."""
        self._open.enter_context(self._watch)
        outcome = self._member.start(self._watch.started)
        if isinstance(outcome, Outcome):
            return self._ended(outcome)
        self.parked = outcome
        self._watch.pause()
        return None

    def run_slice(self) -> Record | None:
        """Let it run one time slice; None: it is parked again."""
        outcome = self._member.run_slice()
        return None if outcome is None else self._ended(outcome)

    def finish(self) -> Record:
        """Let it check, write its record and repeat, and wait for its end."""
        self._watch.resume()
        return self._ended(self._member.finish())

    def kill(self) -> None:
        """End it without a record; safe to call at any time, also twice."""
        self._member.kill()
        self._open.close()

    def _ended(self, outcome: Outcome) -> Record:
        self._open.close()
        return self._runner.keep_outcome(self.planned, self._turn, outcome, self._watch)


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
