"""A run from the command line to the report: request → plan → launchers → loop → report, exit code."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.catalogue import catalogue
from bench.records.record import Record
from harness.compare.render import compare_folders
from harness.environments import checkout
from harness.errors import INTERRUPTED, OK, SOME_FAILED, SetupError, StoreError
from harness.host import gpus, load, machine, processors
from harness.launchers import choose
from harness.launchers.base import Launcher
from harness.plan import label, models, selection
from harness.plan.plan import Plan, is_planned
from harness.plan.planner import Planned, planned_run, with_companions
from harness.plan.request import Request, Setting
from harness.report import write
from harness.report.interim import Interim
from harness.run import progress, stopping
from harness.run.active import ActiveRun
from harness.run.loop import Lane, bad_cells, execute, finished
from harness.stats.overhead import own_share
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder, create, find, require_space
from harness.store.resume import require_fit
from harness.validity import results, validity


@dataclass(frozen=True, slots=True)
class Job:
    """A run and its launcher."""

    run: ActiveRun
    launcher: Launcher


def run(requested: Request, setting: Setting) -> int:
    """Measure a selection in one launcher, or side by side in several; return the exit code."""
    cpus = processors.cpu_set(setting.cpus) if setting.cpus else processors.default_cpus()
    planned = planned_run(requested, launchers=setting.launcher, blocks=setting.blocks, say=progress.say)
    profile, plan = planned.profile, planned.plan
    if planned.left_out:
        progress.say(planned.left_out)
    for name in planned.launchers if planned.device == "cuda" else ():
        gpus.require_free(
            gpus.wanted(os.environ, in_container=choose.LAUNCHERS[name].in_container),
            progress.say,
            shared=setting.shared_gpu,
        )
    run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + profile.name
    jobs = []
    for launcher in [choose.launcher(name, device=planned.device, python=setting.python) for name in planned.launchers]:
        folder = create(setting.results, run_id if len(planned.launchers) == 1 else f"{run_id}-{launcher.name}")
        folder.lock()
        facts = _facts(folder, requested, setting, planned, cpus, launcher.name)
        folder.write_plan(plan)
        folder.write_facts(facts)
        jobs.append(Job(ActiveRun(folder=folder, plan=plan, facts=facts, settings=profile.settings), launcher))
        progress.say(f"{folder.id}: {plan}, CPU set {','.join(map(str, cpus))}, launcher {launcher.name}")
    return _session(jobs)


def resume(name: str, requested: Request, setting: Setting) -> int:
    """Go on with a run that was interrupted; return the exit code."""
    folder = find(setting.results, name)
    facts, plan, records = folder.facts(), folder.plan(), folder.records()
    device = facts.device
    _require_same(folder, "profile", given=requested.profile, stored=facts.profile)
    _require_same(folder, "seed", given=requested.seed, stored=facts.seed)
    _require_same(folder, "device", given=requested.device, stored=device)
    if setting.alternate not in (None, facts.alternates):
        option = "--alternate" if setting.alternate else "--no-alternate"
        raise StoreError(f"{folder.id} cannot be resumed with {option}: it was started without.")
    if setting.blocks is not None and not plan.looks:
        _require_same(folder, "blocks", given=setting.blocks, stored=plan.blocks)
    if (setting.blocks or 0) > plan.blocks:
        raise StoreError(f"{folder.id} cannot go on to block {setting.blocks}: its plan has {plan.blocks}.")
    if setting.launcher not in (None, choose.AUTO):
        _require_same(folder, "launcher", given=setting.launcher, stored=facts.launcher)
    cells = None
    if requested.options:
        offer = catalogue()
        profile = selection.profile(facts.profile)
        chosen = selection.cells(offer, requested.selection, profile, device)
        cells = with_companions(chosen, offer, plan.blocks, profile, requested.measures)
    code = _code(set(models.needed(facts.frameworks, plan.cells)), plan, device)
    require_fit(folder.id, plan=plan, facts=facts, records=records, code=code, cells=cells)
    require_space(folder.path)
    shared = setting.shared_gpu or facts.shared_gpu
    if device == "cuda":
        gpus.require_free(
            gpus.wanted(os.environ, in_container=choose.LAUNCHERS[facts.launcher].in_container),
            progress.say,
            shared=shared,
        )
    facts = replace(facts, shared_gpu=shared)
    settings = facts.settings or selection.profile(facts.profile).settings
    python = setting.python or (Path(facts.interpreter) if facts.interpreter else None)
    launcher = choose.launcher(facts.launcher, device=device, python=python)
    folder.lock()
    progress.say(f"{folder.id}: {sum(map(is_planned, records))} of {plan.replicates} replicates are done")
    run = ActiveRun(folder=folder, plan=plan, facts=facts, settings=settings, until=setting.blocks)
    return _session([Job(run, launcher)])


def _session(jobs: Sequence[Job]) -> int:
    """Prepare the launchers, run the replicates that are left, write the reports; return the exit code."""
    try:
        unprepared = _prepare(jobs)
        jobs = _alternating(jobs)
        if sentence := load.warning(load.observed(jobs[0].run.facts.cpus)):
            progress.say(sentence)
        begin = time.perf_counter()
        before = [len(job.run.folder.records()) for job in jobs]
        interrupted = _loop(jobs, unprepared)
        wall_s = time.perf_counter() - begin
        for job in jobs:
            records = job.run.folder.records()
            judged = validity.judged(records, job.run.facts).records
            facts = finished(job.run.facts, records, wall_s)
            facts = stopping.noted(facts, job.run.plan, judged, until=job.run.until)
            job.run.folder.write_facts(facts)
        if interrupted:
            return _interrupted(jobs)
        pages = [write.write_report(job.run.folder) for job in jobs]
        new = [record for job, n in zip(jobs, before, strict=True) for record in job.run.folder.records()[n:]]
        share = own_share(new, time.perf_counter() - begin)
    except KeyboardInterrupt:
        return _interrupted(jobs)
    finally:
        for job in jobs:
            job.launcher.close()
            job.run.folder.unlock()
    for job in jobs:
        write.print_report(job.run.folder)
        progress.say(_ended(job))
    print(f"samestep's own share of the wall time: {share:.1%}; the rest is the phases of the replicates")
    for page in pages:
        print(f"Report: {page}")
    if len(jobs) > 1:
        first, *others = (job.run.folder for job in jobs)
        for other in others:
            print()
            compare_folders(first, other)
    return max(_verdict(results.load(job.run.folder).records) for job in jobs)


def _ended(job: Job) -> str:
    """Return why there are no more blocks and, in a run with interim analyses, which cells are imprecise."""
    run = results.load(job.run.folder)
    wide = stopping.imprecise(run.records, facts=run.facts) if job.run.plan.looks else ()
    imprecise = f" Imprecise: {'; '.join(map(label.name, wide))}." if wide else ""
    return f"Ended: {job.run.folder.facts().ended}.{imprecise}"


def _prepare(jobs: Sequence[Job]) -> list[Mapping[str, str]]:
    """Make the environments ready; where nothing can run at all, remove the empty runs.

    Return for each job, by framework, why it cannot run.
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


def _alternating(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of runs whose processes are to take turns; where a launcher cannot stop them, they do not."""
    reasons = [reason for job in jobs if job.run.facts.alternates and (reason := job.launcher.why_not_alternate())]
    if not reasons:
        return list(jobs)
    progress.say(f"Processes do not take turns: {reasons[0]}.")
    changed = []
    for job in jobs:
        facts = replace(job.run.facts, alternates=False, not_alternating=reasons[0])
        job.run.folder.write_facts(facts)
        changed.append(replace(job, run=replace(job.run, facts=facts)))
    return changed


def _loop(jobs: Sequence[Job], unprepared: Sequence[Mapping[str, str]]) -> bool:
    """Run the replicates that are left; return whether Ctrl-C interrupted them."""
    records = tuple(record for job in jobs for record in job.run.folder.records())
    show = progress.progress(jobs[0].run.plan, records, copies=len(jobs))
    lanes = [
        Lane(run=job.run, launcher=job.launcher, unprepared=missing)
        for job, missing in zip(jobs, unprepared, strict=True)
    ]
    reports = [Interim(job.run.folder, show.say if len(jobs) == 1 else None) for job in jobs]

    def after_group() -> None:
        for report in reports:
            report.after_group()

    try:
        execute(lanes, show, after_group)
    except KeyboardInterrupt:
        return True
    finally:
        show.close()
    return False


def _interrupted(jobs: Sequence[Job]) -> int:
    for job in jobs:
        folder, planned = job.run.folder, job.run.plan.replicates
        done = sum(map(is_planned, folder.records()))
        progress.say(f"Interrupted: {done} of {planned} replicates are kept in {folder.path}.")
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C leaves out what is not needed to go on
            Interim(folder, progress.say if len(jobs) == 1 else None).at_interrupt()
        progress.say(f"Go on with: {job.launcher.again(folder.path)}")
    return INTERRUPTED


def _verdict(records: tuple[Record, ...]) -> int:
    bad = bad_cells(records)
    if not bad:
        return OK
    print(
        f"{len(bad)} of the cells have no valid result, or lost a replicate:",
        file=sys.stderr,
    )
    for cell in bad:
        reason = next(
            record.reason for record in records if record.cell == cell and record.status not in ("ok", "skipped")
        )
        print(f"  {label.name(cell)}: {reason}", file=sys.stderr)
    return SOME_FAILED


def _facts(
    folder: RunFolder, requested: Request, setting: Setting, planned: Planned, cpus: tuple[int, ...], launcher: str
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
        host=machine.host_facts(device),
        commit=commit,
        dirty=dirty,
        branch=branch,
        commit_time=commit_time,
        author_time=author_time,
        launcher=launcher,
        cpus=cpus,
        threads=setting.threads or len(cpus),
        frameworks=tuple(framework for framework in offer.frameworks if framework.name in used),
        workloads=tuple(workload for workload in offer.workloads if workload.name in workloads),
        selection=requested.options,
        device=device,
        settings=profile.settings,
        timeout_s=setting.timeout_s or profile.timeout_s,
        isolated=processors.isolated(cpus),
        shared_gpu=setting.shared_gpu,
        alternates=setting.alternate if setting.alternate is not None else device == "cpu",
        not_alternating=_why_not(setting, device),
        interpreter=str(setting.python or sys.executable) if choose.LAUNCHERS[launcher].takes_python else "",
        code=_code(used, plan, device),
    )


def _why_not(setting: Setting, device: str) -> str:
    if setting.alternate is None:
        return "" if device == "cpu" else "on a GPU only with --alternate, until it is known to disturb nothing there"
    return "" if setting.alternate else "--no-alternate was given"


def _code(used: set[str], plan: Plan, device: str) -> tuple[tuple[str, str], ...]:
    hello = {cell.framework for cell in plan.cells if cell.track == "idiomatic"}
    return checkout.code(used, device, hello=hello)


def _frameworks(job: Job) -> tuple[str, ...]:
    return models.needed(job.run.facts.frameworks, job.run.plan.cells)


def _require_same(folder: RunFolder, option: str, *, given: object, stored: object) -> None:
    if given is not None and given != stored:
        raise StoreError(f"{folder.id} cannot be resumed with {option} {given}: it was started with {stored}.")
