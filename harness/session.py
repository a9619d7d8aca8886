"""A run from the command line to the report: request → plan → launchers → loop → report, exit code."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.catalogue import catalogue
from bench.records.record import Record
from harness.compare.render import compare_folders
from harness.environments import checkout, cuda
from harness.environments.variants import Resolved
from harness.errors import INTERRUPTED, OK, SOME_FAILED, MachineError, SetupError, StoreError
from harness.host import emulated, gpus, load, machine, processors, quota
from harness.launchers import choose
from harness.launchers.base import Launcher
from harness.plan import label, models, ranks, selection, variables, variants
from harness.plan.plan import Plan, is_planned
from harness.plan.planner import Planned, planned_run, with_companions
from harness.plan.request import Request, Setting
from harness.report import write
from harness.report.interim import Interim
from harness.run import progress, stopping
from harness.run.active import ActiveRun
from harness.run.loop import Lane, bad_cells, execute, finished
from harness.stats.overhead import own_share
from harness.store import datasets, locks
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder, create, find, require_space
from harness.store.replicates import measured
from harness.store.resume import require_fit, require_same_options
from harness.terminal import failures
from harness.validity import results, validity


@dataclass(frozen=True, slots=True)
class Job:
    """A run and its launcher."""

    run: ActiveRun
    launcher: Launcher
    tables: bool  # print those of its report


def run(requested: Request, setting: Setting) -> int:
    """Measure a selection in one launcher, or side by side in several; return the exit code."""
    planned = planned_run(requested, launchers=setting.launcher, blocks=setting.blocks, say=progress.say)
    profile, plan = planned.profile, planned.plan
    cpus = ranks.cpu_set(setting.cpus, ranks.most_of(plan.cells))
    if planned.left_out:
        progress.say(planned.left_out)
    for name in planned.launchers if planned.device == "cuda" else ():
        _require_gpu(name, shared=setting.shared_gpu, most_ranks=ranks.most_of(plan.cells))
    used = set(models.needed(planned.offer.frameworks, plan.cells))
    named = variables.named(setting.env, os.environ, [one for one in planned.offer.frameworks if one.name in used])
    data = datasets.ready(setting.data, plan, planned.offer.frameworks, planned.launchers, progress.say)
    run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + profile.name
    jobs = []
    with checkout.snapshot() as code:
        varied = _varied(planned, setting, code)
        kept = locks.by_variant(varied, code / locks.FOLDER)
        wanted = choose.Wanted(device=planned.device, code=code, python=setting.python, named=named, variants=kept)
        for launcher in [choose.launcher(name, wanted) for name in planned.launchers]:
            folder = create(setting.results, run_id if len(planned.launchers) == 1 else f"{run_id}-{launcher.name}")
            folder.lock()
            facts = _facts(folder, setting, planned, cpus, launcher.name, wanted)
            facts = replace(facts, data=data, variants=varied)
            locks.keep(code, facts, folder.path)
            folder.write_plan(plan)
            folder.write_facts(facts)
            active = ActiveRun(folder=folder, plan=plan, facts=facts, settings=profile.settings)
            jobs.append(Job(active, launcher, setting.tables))
            progress.say(
                f"{folder.id}: {plan}, CPU set {_numbers(cpus)}, launcher {launcher.name}"
                + (f", variables {' '.join(map(shlex.quote, named))}" if named else "")
            )
        return _session(jobs)


def _varied(planned: Planned, setting: Setting, code: Path) -> tuple[Resolved, ...]:
    """Return the variants of a run, their locks in the snapshot `code`: made now, or those of the run made again."""
    if setting.again is None:
        return variants.resolved(planned.variants, planned.device, code / locks.FOLDER, progress.say)
    return locks.put_back(RunFolder(setting.again).facts(), setting.again, code)


def resume(name: str, requested: Request, setting: Setting) -> int:
    """Go on with a run that was interrupted; return the exit code."""
    folder = find(setting.results, name, empty=True)
    with checkout.snapshot() as code:
        return _resume(folder, requested, setting, code)


def _resume(folder: RunFolder, requested: Request, setting: Setting, snapshot: Path) -> int:
    facts, plan, records = folder.facts(), folder.plan(), folder.replicates()
    device = facts.device
    require_same_options(folder.id, facts, plan, requested, setting)
    cells = None
    if requested.options:
        offer = catalogue()
        kept = tuple(variant.framework_id for variant in facts.variants)
        requested, _ = variants.named(replace(requested, kept=kept), offer.frameworks, device)
        profile = selection.profile(facts.profile)
        chosen = selection.cells(offer, requested.selection, profile, device)
        cells = with_companions(chosen, offer, plan.blocks, profile, requested.measures)
    code = _code(set(models.needed(facts.frameworks, plan.cells)), plan, device, snapshot)
    require_fit(
        folder.id,
        plan=plan,
        facts=facts,
        records=records,
        code=code,
        cells=cells,
        host=machine.host_facts(device, facts.cpus, gpu=_gpu(facts.launcher)),
        cpus=os.sched_getaffinity(0),
    )
    require_space(folder.path)
    datasets.ready(Path(facts.data) if facts.data else None, plan, facts.frameworks, [facts.launcher], progress.say)
    shared = setting.shared_gpu or facts.shared_gpu
    if device == "cuda":
        _require_gpu(facts.launcher, shared=shared)
    facts = replace(facts, shared_gpu=shared, resumed_unix_ns=time.time_ns())
    settings = facts.settings or selection.profile(facts.profile).settings
    python = setting.python or (Path(facts.interpreter) if facts.interpreter else None)
    of_variants = locks.kept(facts.variants, folder.path)
    wanted = choose.Wanted(device=device, code=snapshot, python=python, named=facts.env, variants=of_variants)
    launcher = choose.launcher(facts.launcher, wanted)
    folder.lock()
    folder.write_facts(facts)
    progress.say(f"{folder.id}: {_done(records)} of {plan.replicates} replicates are done")
    run = ActiveRun(folder=folder, plan=plan, facts=facts, settings=settings, until=setting.blocks)
    return _session([Job(run, launcher, setting.tables)])


def _gpu(launcher: str) -> str:
    """Return the GPU that replicates of a launcher run on, as it was named."""
    return gpus.wanted(os.environ, in_container=choose.LAUNCHERS[launcher].in_container)


def _require_gpu(launcher: str, *, shared: bool, most_ranks: int = 0) -> None:
    """Check the GPU of a launcher's replicates before a run; raises SetupError, SelectionError."""
    in_container = choose.LAUNCHERS[launcher].in_container
    ranks.require_gpus(most_ranks, lambda: gpus.count(os.environ, in_container=in_container))
    by_speed = gpus.by_speed(os.environ, in_container=in_container)
    gpus.require_free(_gpu(launcher), progress.say, shared=shared, by_speed=by_speed)


def _session(jobs: Sequence[Job]) -> int:
    """Prepare the launchers, run the replicates that are left, write the reports; return the exit code."""
    try:
        unprepared = _prepare(jobs)
        jobs = _alternating(_listing(jobs))
        for sentence in _warnings(jobs[0].run.facts):
            progress.say(sentence)
        begin = time.perf_counter()
        before = [len(job.run.folder.records()) for job in jobs]
        stopped = _loop(jobs, unprepared)
        wall_s = time.perf_counter() - begin
        for job in jobs:
            records = job.run.folder.replicates()
            records = measured(records) if stopped else records
            judged = validity.judged(records, job.run.facts).records
            facts = finished(job.run.facts, records, wall_s)
            facts = stopping.noted(facts, job.run.plan, judged, until=job.run.until)
            job.run.folder.write_facts(facts)
        if stopped:
            return _interrupted(jobs, stopped)
        pages = [_report(job.run.folder) for job in jobs]
        new = [record for job, n in zip(jobs, before, strict=True) for record in job.run.folder.records()[n:]]
        share = own_share(new, time.perf_counter() - begin)
    except KeyboardInterrupt as reason:
        return _interrupted(jobs, reason)
    finally:
        for job in jobs:
            job.launcher.close()
            job.run.folder.unlock()
    for job in jobs:
        _show(job)
    print(f"samestep's own share of the wall time: {share:.1%}; the rest is the phases of the replicates")
    for page in filter(None, pages):
        print(f"Report: {page}")
    if len(jobs) > 1:
        first, *others = (job.run.folder for job in jobs)
        for other in others:
            print()
            compare_folders(first, other)
    return max(_verdict(results.load(job.run.folder).records) for job in jobs)


def _warnings(facts: RunFacts) -> tuple[str, ...]:
    """Return what is known to disturb the run before it begins, with the remedies."""
    quota_sentence = (
        "" if choose.LAUNCHERS[facts.launcher].in_container else quota.sentence(facts.cpus, facts.host.quota)
    )
    caveat = emulated.caveat((facts.host.gpu, facts.host.driver))
    locked = facts.device == "cuda" and not choose.LAUNCHERS[facts.launcher].takes_python
    old = cuda.warning(facts.host.driver, [one.name for one in facts.frameworks]) if locked else ""
    found = (caveat, old, quota_sentence, processors.shared(facts.cpus), load.warning(load.observed(facts.cpus)))
    return tuple(filter(None, found))


def _report(folder: RunFolder) -> Path | None:
    """Write the report; where that fails, for whatever reason, say so: what was measured is kept and still printed."""
    try:
        return write.write_report(folder)
    except Exception as error:  # noqa: BLE001  (a run ends with its tables and its exit code)
        why = str(error) if isinstance(error, StoreError) else f"The report failed: {failures.sentence(error)}."
        print(f"samestep: {why} The records are kept: {write.where(folder)}", file=sys.stderr)
        return None


def _show(job: Job) -> None:
    """Print the tables of a run that has ended, where they are wanted, and why it has."""
    if job.tables:
        write.print_report(job.run.folder)
    progress.say(_ended(job))


def _ended(job: Job) -> str:
    """Return why there are no more blocks and, in a run with interim analyses, which cells are imprecise."""
    run = results.load(job.run.folder)
    wide = stopping.imprecise(run.records, facts=run.facts) if job.run.plan.looks else ()
    imprecise = f" Imprecise: {'; '.join(map(label.name, wide))}." if wide else ""
    return f"Ended: {job.run.folder.facts().ended}.{imprecise}"


def _prepare(jobs: Sequence[Job]) -> list[Mapping[str, str]]:
    """Make the environments ready; where nothing can run at all, remove the empty runs.

    Return for each job, by framework with its variant, why it cannot run.
    """
    try:
        reasons = [job.launcher.prepare(_frameworks(job), progress.say) for job in jobs]
    except SetupError:
        for job in jobs:
            job.run.folder.discard()
        raise
    for unprepared in reasons:
        for framework, reason in unprepared.items():
            print(f"samestep: {framework} cannot run: {reason}", file=sys.stderr, flush=True)
    return reasons


def _listing(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs with what is installed in each environment among their facts."""
    return [_changed(job, environments=_environments(job)) for job in jobs]


def _environments(job: Job) -> tuple[str, ...]:
    found = ((name, job.launcher.inventory(name)) for name in _frameworks(job))
    return tuple(f"{name}: {digest}" for name, digest in found if digest)


def _changed(job: Job, **changes: Any) -> Job:
    """Return a job with other facts, which are written."""
    facts = replace(job.run.facts, **changes)
    job.run.folder.write_facts(facts)
    return replace(job, run=replace(job.run, facts=facts))


def _alternating(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of runs whose processes are to take turns; where a launcher cannot stop them, they do not."""
    reasons = [reason for job in jobs if job.run.facts.alternates and (reason := job.launcher.why_not_alternate())]
    if not reasons:
        return list(jobs)
    progress.say(f"Processes do not take turns: {reasons[0]}.")
    return [_changed(job, alternates=False, not_alternating=reasons[0]) for job in jobs]


def _loop(jobs: Sequence[Job], unprepared: Sequence[Mapping[str, str]]) -> KeyboardInterrupt | MachineError | None:
    """Run the replicates that are left; return what stopped them, Ctrl-C or the machine."""
    records = tuple(record for job in jobs for record in measured(job.run.folder.replicates()))
    show = progress.progress(jobs[0].run.plan, records, copies=len(jobs))
    lanes = [
        Lane(run=job.run, launcher=job.launcher, unprepared=missing)
        for job, missing in zip(jobs, unprepared, strict=True)
    ]
    reports = [Interim(job.run.folder, show.say if job.tables and len(jobs) == 1 else None) for job in jobs]

    def after_group() -> None:
        for report in reports:
            report.after_group()

    try:
        execute(lanes, show, after_group)
    except (KeyboardInterrupt, MachineError) as reason:
        return reason
    finally:
        show.close()
    return None


def _interrupted(jobs: Sequence[Job], stopped: KeyboardInterrupt | MachineError) -> int:
    """Say what is kept, and how to go on; return the exit code.

    Raises:
        MachineError: it was the machine that stopped the run.
    """
    for job in jobs:
        folder, planned = job.run.folder, job.run.plan.replicates
        done = _done(folder.replicates())
        what = "Stopped" if isinstance(stopped, MachineError) else "Interrupted"
        progress.say(f"{what}: {done} of {planned} replicates are kept in {folder.path}.")
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C leaves out what is not needed to go on
            Interim(folder, progress.say if len(jobs) == 1 else None).at_interrupt()
        progress.say(f"Go on with: {job.launcher.again(folder.path)}")
    if isinstance(stopped, MachineError):
        raise stopped
    return INTERRUPTED


def _done(records: Sequence[Record]) -> int:
    """Return how many planned replicates need not be taken again."""
    return sum(map(is_planned, measured(records)))


def _verdict(records: tuple[Record, ...]) -> int:
    bad = bad_cells(records)
    if not bad:
        return OK
    print(f"{len(bad)} of the cells have no valid result, or lost a replicate:", file=sys.stderr)
    for cell in bad:
        reason = next(
            record.reason for record in records if record.cell == cell and record.status not in ("ok", "skipped")
        )
        print(f"  {label.name(cell)}: {reason}", file=sys.stderr)
    return SOME_FAILED


def _facts(
    folder: RunFolder,
    setting: Setting,
    planned: Planned,
    cpus: tuple[int, ...],
    launcher: str,
    wanted: choose.Wanted,
) -> RunFacts:
    profile, plan, device, offer = planned.profile, planned.plan, planned.device, planned.offer
    commit, dirty = checkout.commit()
    branch, commit_time, author_time = checkout.history()
    used = set(models.needed(offer.frameworks, plan.cells))
    workloads = {cell.workload for cell in plan.cells}
    return RunFacts(
        id=folder.id,
        profile=profile.name,
        seed=plan.seed,
        blocks=plan.blocks,
        replicates=plan.replicates,
        started_unix_ns=time.time_ns(),
        wall_s=0.0,
        host=machine.host_facts(device, cpus, gpu=_gpu(launcher)),
        commit=commit,
        dirty=dirty,
        branch=branch,
        commit_time=commit_time,
        author_time=author_time,
        launcher=launcher,
        cpus=cpus,
        threads=setting.threads or ranks.threads_of(cpus, ranks.most_of(plan.cells)),
        ranks=ranks.most_of(plan.cells),
        frameworks=tuple(framework for framework in offer.frameworks if framework.name in used),
        workloads=tuple(workload for workload in offer.workloads if workload.name in workloads),
        selection=planned.requested.options,
        left_out=planned.left_out,
        device=device,
        settings=profile.settings,
        timeout_s=setting.timeout_s or profile.timeout_s,
        isolated=processors.isolated(cpus),
        shared_gpu=setting.shared_gpu,
        alternates=setting.alternate if setting.alternate is not None else device == "cpu",
        not_alternating=_why_not(setting, device),
        interpreter=str(setting.python or sys.executable) if choose.LAUNCHERS[launcher].takes_python else "",
        env=wanted.named,
        again=setting.again.resolve().name if setting.again else "",
        code=_code(used, plan, device, wanted.code),
    )


def _why_not(setting: Setting, device: str) -> str:
    if setting.alternate is None:
        return "" if device == "cpu" else "on a GPU only with --alternate, until it is known to disturb nothing there"
    return "" if setting.alternate else "--no-alternate was given"


def _code(used: set[str], plan: Plan, device: str, snapshot: Path) -> tuple[tuple[str, str], ...]:
    hello = {cell.framework for cell in plan.cells if cell.track == "idiomatic"}
    return checkout.code(used, device, hello=hello, root=snapshot)


def _frameworks(job: Job) -> tuple[str, ...]:
    return models.started(job.run.facts.frameworks, job.run.plan.cells)


def _numbers(cpus: Sequence[int]) -> str:
    return ",".join(map(str, cpus))
