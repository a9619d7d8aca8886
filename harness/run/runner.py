"""Single replicates of a run: started, watched, ended; record, samples and log on disk."""

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Final

from bench.catalogue import EXPORT, device_lacking, programs_missing
from bench.records.codec import keepable
from bench.records.observation import Observation
from bench.records.record import Failure, Record, RepeatKind
from bench.turns.parking import Parked
from bench.turns.turn import Artifact, Model, Outcome, Settings, Turn, to_record
from harness.launchers.base import Launcher
from harness.plan import models, ranks
from harness.plan.plan import PlannedReplicate
from harness.run.active import ActiveRun
from harness.run.launches import Launches
from harness.run.progress import Show
from harness.run.references import References
from harness.samplers.observer import Observer, Watch
from harness.store import reading, rules
from harness.store.models import inline
from harness.store.replicates import LAUNCH, never_ran
from harness.store.sameness import Sameness
from harness.store.samples import Sample
from harness.strict import FieldError
from harness.terminal import shell

# Of a file in a message to a container: together, as base64, they fit into `bench.turns.channel.LONGEST_BYTES`.
MODEL_BYTES: Final = 32 << 20
PREDICTIONS_BYTES: Final = 16 << 20
NO_PACKAGE: Final = "No module named "  # in the words of Python's import


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
        kept = run.folder.replicates()
        self._sameness = Sameness(kept)
        self._references = References(
            run.folder.models, run.facts.workloads, (each.cell for each in run.plan.in_order())
        )
        self._offers = {offer.name: offer for offer in run.facts.frameworks}
        able = set(models.started(run.facts.frameworks, run.plan.cells))
        environments = {cell.framework_id for cell in run.plan.cells} & able
        self._launches = Launches(run.facts.cpus, environments - unprepared.keys())

    def keep(
        self,
        planned: PlannedReplicate,
        *,
        calls_per_round: int | None = None,
        model: Model | Record | None = None,
        timeout_s: float | None = None,
    ) -> Record:
        """Run one replicate; its record, samples and log are on disk when this returns.

        Args:
            planned: the replicate.
            calls_per_round: as calibrated in an earlier block; None: to be calibrated.
            model: the exported model that it runs; a record: of the export that gave none; None: it needs none.
            timeout_s: how long it may take; None: as long as the run's facts say.

        Raises:
            StoreError: they could not be kept.
            MachineError: no replicate can begin here any more, or this one ran on another machine.
        """
        turn = self._turn(planned, calls_per_round, model)
        if isinstance(turn, Record):
            return self._keep(turn)
        turn = turn if timeout_s is None else dataclasses.replace(turn, timeout_s=timeout_s)
        with self.watch(planned) as watch:
            try:
                outcome = self.launcher.take(turn, watch.started)
            except OSError as error:
                outcome = not_begun(error)
        return self.keep_outcome(planned, turn, outcome, watch)

    def member(
        self, planned: PlannedReplicate, *, calls_per_round: int | None = None, model: Model | Record | None = None
    ) -> "GroupMember | Record":
        """Return a replicate that takes turns, not started yet; or its record, where it cannot be. Else as `keep`."""
        turn = self._turn(planned, calls_per_round, model)
        if isinstance(turn, Record):
            return self._keep(turn)
        turn = dataclasses.replace(turn, alternates=True)
        try:
            return GroupMember(self, planned, turn)
        except OSError as error:  # no room for the folder of its turn
            with self.watch(planned) as watch:
                outcome = not_begun(error)
            return self.keep_outcome(planned, turn, outcome, watch)

    def keep_outcome(self, planned: PlannedReplicate, turn: Turn, outcome: Outcome, watch: Watch) -> Record:
        """Keep the record of a replicate that has ended, and what `watch` saw of it; raises as `keep`.

        A record from another machine is not kept: what is in the run's folder was measured on one.
        """
        record = to_record(turn, outcome, reading.record)
        observation = watch.observation(record.energy)
        record = observed(dataclasses.replace(record, attempt=planned.attempt), observation)
        record = named(record, self.observer.gpu_name)
        if record.status == "failed" and (damaged := self.launcher.damage(turn.cell.framework_id)):
            record = dataclasses.replace(record, reason=f"{record.reason}; {damaged}")
        record = with_environment_named(record)
        self._sameness.require(record)
        record = self._run.folder.with_model_kept(record)
        record = self._keep(record, watch.samples, outcome.log)
        self._launches.note(record)
        return record

    def leave_out(self, planned: PlannedReplicate, reason: str) -> Record:
        """Keep a record of a replicate that is not run, because a smaller size of its cell ran out of memory."""
        return self._keep(dataclasses.replace(not_started(planned, reason), status="oom", reason=reason))

    def watch(self, planned: PlannedReplicate) -> Watch:
        """Return a watch over a replicate, for a `with` block."""
        return self.observer.watch(subject_of(planned), energy=planned.cell.track == "energy")

    def _keep(self, record: Record, samples: Sequence[Sample] = (), log: str = "") -> Record:
        folder, record = self._run.folder, keepable(record)
        folder.append(record)
        folder.append_samples(samples)
        folder.write_log(record, log)
        self._show.end(record)
        return record

    def _turn(
        self, planned: PlannedReplicate, calls_per_round: int | None, model: Model | Record | None
    ) -> Turn | Record:
        """Return the turn of a replicate, or the record that says why there is none."""
        offer = self._offers.get(planned.cell.framework)
        if offer and (reason := device_lacking(offer, planned.cell.device)):
            return skipped(planned, reason)
        if isinstance(model, Record):
            reason = f"there is no model from {model.cell.framework}: {model.reason}"
            if model.status == "skipped":
                return skipped(planned, reason)
            return not_started(planned, reason, phase=LAUNCH if never_ran(model) else EXPORT)
        if reason := self._unprepared.get(planned.cell.framework_id, ""):
            is_of_the_host = offer is not None and reason == programs_missing(offer)  # as a mode's, which is skipped
            return skipped(planned, reason) if is_of_the_host else not_started(planned, reason)
        reference = self._references.artifact(planned.cell)
        if self.launcher.in_container:
            model = inlined(model) if model else None
            reference = inline(reference, PREDICTIONS_BYTES) if reference else None
        turn = turn_of(self._run, planned, launcher=self.launcher.name, calls_per_round=calls_per_round, model=model)
        return dataclasses.replace(turn, reference=reference)


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
        self._watch = runner.watch(planned)
        self._open = contextlib.ExitStack()

    def start(self) -> Record | None:
        """Start it and wait until it parks (None) or ends."""
        self._open.enter_context(self._watch)
        try:
            outcome = self._member.start(self._watch.started)
        except OSError as error:
            self._member.kill()
            outcome = not_begun(error)
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


def observed(record: Record, observation: Observation) -> Record:
    """Return `record` with what was observed; a figure that no record can hold, as of a counter that fell, is said."""
    try:
        return rules.require_record(dataclasses.replace(record, observation=observation))
    except FieldError as error:
        return dataclasses.replace(record, observation=Observation(missing=(str(error),)))


def named(record: Record, gpu_name: str) -> Record:
    """Return `record` with the GPU's model as NVML has it, where its process on a GPU could not name it."""
    environment = record.environment
    if record.cell.device != "cuda" or environment is None or environment.device_name:
        return record
    return dataclasses.replace(record, environment=dataclasses.replace(environment, device_name=gpu_name))


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
        cpus=ranks.cpus_of(planned.cell.ranks, run.facts.cpus, run.facts.ranks),
        threads=run.facts.threads,
        hash_seed=planned.hash_seed,
        timeout_s=run.facts.timeout_s,
        launcher=launcher,
        repeats=repeats_of(planned, run.settings),
        model=model,
        named=run.facts.env,
        data=run.facts.data if planned.cell.stream else "",
    )


def inlined(model: Model) -> Model:
    """Return `model` with the bytes of its files, for a container; without those that a message cannot hold."""

    def held(file: Artifact | None, most_bytes: int) -> Artifact | None:
        return inline(file, most_bytes) if file else None

    return dataclasses.replace(
        model,
        artifact=held(model.artifact, MODEL_BYTES),
        trained=held(model.trained, MODEL_BYTES),
        expected=held(model.expected, PREDICTIONS_BYTES),
    )


def with_environment_named(record: Record) -> Record:
    """Return `record`; where a package was missing, with the command that makes an environment that has it."""
    failed_at = record.failure.phase if record.failure else ""
    if record.status != "failed" or failed_at != "import" or NO_PACKAGE not in record.reason:
        return record
    remedy = shell.samestep("run", "--launcher", "venv", "--framework", record.cell.framework)
    return dataclasses.replace(record, reason=f"{record.reason}: {remedy} makes an environment that has it")


def repeats_of(planned: PlannedReplicate, settings: Settings) -> tuple[RepeatKind, ...]:
    """Return how a replicate repeats its work: on warm caches as the profile says, on other threads in block 1."""
    if planned.cell.track != "identical":
        return ()
    warm: tuple[RepeatKind, ...] = ("warm",) if planned.block <= settings.warm_blocks else ()
    other = settings.other_threads and planned.block == 1 and not planned.cell.ranks  # a rank has its processors
    return (*warm, "threads") if other else warm


def subject_of(planned: PlannedReplicate) -> str:
    """Return the `subject` of a replicate's samples: its cell, its block, and "/2" for a second attempt."""
    again = f"/{planned.attempt}" if planned.attempt > 1 else ""
    return f"{planned.cell.id}#{planned.block}{again}"


def not_begun(error: OSError) -> Outcome:
    """Return the outcome of a replicate that this host does not let begin, such as without room for its folder."""
    return Outcome(started_unix_ns=time.time_ns(), wall_ns=0, exit_code=None, tail=(str(error),))


def skipped(planned: PlannedReplicate, reason: str) -> Record:
    """Return the record of a replicate that cannot run here, which is no failure: nothing of it is started."""
    return dataclasses.replace(not_started(planned, reason), status="skipped", reason=reason, failure=None)


def not_started(planned: PlannedReplicate, reason: str, *, phase: str = LAUNCH) -> Record:
    """Return the record of a replicate that was not started; `phase`: the one in which what it needs has failed."""
    return Record(
        cell=planned.cell,
        block=planned.block,
        position=planned.position,
        attempt=planned.attempt,
        status="failed",
        reason=f"launch: {reason}",
        started_unix_ns=time.time_ns(),
        failure=Failure(phase=phase),
    )
