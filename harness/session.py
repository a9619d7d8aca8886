"""A run from the command line to the report: request → plan → launchers → loop → tables, exit code."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.catalogue import catalogue
from bench.records.record import Record
from harness.compare import render as outputs
from harness.environments import checkout
from harness.errors import INTERRUPTED, OK, SOME_FAILED, SetupError, StoreError
from harness.host import gpus, machine, processors
from harness.launchers import choose
from harness.launchers.base import Launcher
from harness.plan import companions, label, models, selection
from harness.plan.plan import Plan, is_planned
from harness.plan.planner import Planned, planned_run, with_companions
from harness.plan.request import Request, Setting
from harness.report import write
from harness.run import progress, stopping
from harness.run.loop import ActiveRun, bad_cells, execute, finished, interleave, steps
from harness.stats.overhead import own_share
from harness.store import folder as store
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder
from harness.store.resume import require_fit
from harness.validity import results, validity


@dataclass(frozen=True, slots=True)
class Job:
    """A run and what runs it."""

    run: ActiveRun
    launcher: Launcher


def run(requested: Request, setting: Setting) -> int:
    """Measure a selection from the start, in one launcher or side by side in several; return the exit code."""
    cpus = processors.cpu_set(setting.cpus) if setting.cpus else processors.default_cpus()
    found = planned_run(requested, setting.launcher, setting.blocks, progress.say)
    profile, plan = found.profile, found.plan
    if found.left_out:
        progress.say(found.left_out)
    for name in found.launchers if found.device == "cuda" else ():
        gpus.require_free(
            gpus.wanted(os.environ, in_container=choose.LAUNCHERS[name].in_container),
            progress.say,
            shared=setting.shared_gpu,
        )
    begun = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + profile.name
    jobs = []
    for launcher in [choose.launcher(name, found.device, setting.python) for name in found.launchers]:
        folder = store.create(setting.results, begun if len(found.launchers) == 1 else f"{begun}-{launcher.name}")
        folder.lock()
        facts = _facts(folder, requested, setting, found, cpus, launcher.name)
        folder.write_plan(plan)
        folder.write_facts(facts)
        jobs.append(Job(ActiveRun(folder=folder, plan=plan, facts=facts, settings=profile.settings), launcher))
        progress.say(f"{folder.id}: {plan}, CPU set {','.join(map(str, cpus))}, launcher {launcher.name}")
    return _session(jobs)


def resume(name: str, requested: Request, setting: Setting) -> int:
    """Go on with a run that was interrupted; return the exit code."""
    folder = store.find(setting.results, name)
    facts, plan, records = folder.facts(), folder.plan(), folder.records()
    device = facts.device
    _require_same("profile", requested.profile, facts.profile, folder)
    _require_same("seed", requested.seed, facts.seed, folder)
    _require_same("device", requested.device, device, folder)
    if setting.blocks is not None and not plan.looks:
        _require_same("blocks", setting.blocks, plan.blocks, folder)
    if (setting.blocks or 0) > plan.blocks:
        raise StoreError(f"{folder.id} cannot go on to block {setting.blocks}: its plan has {plan.blocks}.")
    if setting.launcher not in (None, choose.AUTO):
        _require_same("launcher", setting.launcher, facts.launcher, folder)
    selected = None
    if requested.words:
        offer = catalogue()
        profile = selection.profile(facts.profile)
        chosen = selection.cells(offer, requested.selection, profile, device)
        selected = with_companions(chosen, offer, plan.blocks, companions.measures(requested.measures, profile))
    code = _code(set(models.needed(facts.frameworks, plan.cells)), plan, device)
    require_fit(folder.id, plan, facts, records, code, selected)
    store.require_space(folder.path)
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
    launcher = choose.launcher(facts.launcher, device, python)
    folder.lock()
    progress.say(f"{folder.id}: {sum(map(is_planned, records))} of {plan.replicates} replicates are done")
    run = ActiveRun(folder=folder, plan=plan, facts=facts, settings=settings, until=setting.blocks)
    return _session([Job(run, launcher)])


def _session(jobs: Sequence[Job]) -> int:
    """Prepare, run what is left, report; return the exit code."""
    try:
        unprepared = _prepare(jobs)
        begin = time.perf_counter()
        before = [len(job.run.folder.records()) for job in jobs]
        interrupted = _loop(jobs, unprepared)
        wall_s = time.perf_counter() - begin
        for job in jobs:
            records = job.run.folder.records()
            standing = validity.judged(records, job.run.facts).records
            facts = stopping.noted(finished(job.run.facts, records, wall_s), job.run.plan, standing, job.run.until)
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
    print(f"samestep's own share of the wall time: {share:.1%}; the rest are the phases of the replicates")
    for page in pages:
        print(f"Report: {page}")
    if len(jobs) > 1:
        first, *others = (job.run.folder for job in jobs)
        for other in others:
            print()
            outputs.compare_folders(first, other)
    return max(_verdict(results.load(job.run.folder).records) for job in jobs)


def _ended(job: Job) -> str:
    """Return why there are no more blocks, and which cells are imprecise where more could have helped."""
    wide = stopping.imprecise(results.load(job.run.folder).records) if job.run.plan.looks else ()
    told = f" Imprecise: {'; '.join(map(label.name, wide))}." if wide else ""
    return f"Ended: {job.run.folder.facts().ended}.{told}"


def _prepare(jobs: Sequence[Job]) -> list[Mapping[str, str]]:
    """Make the environments ready; when nothing can run at all, leave no empty run behind."""
    try:
        found = [job.launcher.prepare(_frameworks(job), progress.say) for job in jobs]
    except SetupError:
        for job in jobs:
            job.run.folder.discard()
        raise
    for unprepared in found:
        for framework, reason in unprepared.items():
            print(f"samestep: {framework} cannot run: {reason}", file=sys.stderr, flush=True)
    return found


def _loop(jobs: Sequence[Job], unprepared: Sequence[Mapping[str, str]]) -> bool:
    """Run what is left; return whether it was interrupted."""
    records = tuple(record for job in jobs for record in job.run.folder.records())
    show = progress.progress(jobs[0].run.plan, records, copies=len(jobs))
    try:
        if len(jobs) == 1:
            execute(jobs[0].run, jobs[0].launcher, unprepared[0], show)
        else:
            processors.leave(jobs[0].run.facts.cpus)
            sequences = [
                steps(job.run, job.launcher, missing, show) for job, missing in zip(jobs, unprepared, strict=True)
            ]
            interleave(sequences, jobs[0].run.plan.seed)
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
        progress.say(f"Go on with: {job.launcher.again(folder.path)}")
    return INTERRUPTED


def _verdict(records: tuple[Record, ...]) -> int:
    bad = bad_cells(records)
    if not bad:
        return OK
    print(
        f"Without a valid result, or with a replicate lost: {len(bad)} of the cells. Their rows say why:",
        file=sys.stderr,
    )
    for cell in bad:
        reason = next(one.reason for one in records if one.cell == cell and one.status not in ("ok", "skipped"))
        print(f"  {label.name(cell)}: {reason}", file=sys.stderr)
    return SOME_FAILED


def _facts(
    folder: RunFolder, requested: Request, setting: Setting, found: Planned, cpus: tuple[int, ...], launcher: str
) -> RunFacts:
    profile, plan, device = found.profile, found.plan, found.device
    commit, dirty = checkout.commit()
    used = set(models.needed(found.offer.frameworks, plan.cells))
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
        launcher=launcher,
        cpus=cpus,
        threads=setting.threads or len(cpus),
        frameworks=tuple(one for one in found.offer.frameworks if one.name in used),
        workloads=tuple(one for one in found.offer.workloads if one.name in {cell.workload for cell in plan.cells}),
        selection=requested.words,
        device=device,
        settings=profile.settings,
        timeout_s=setting.timeout_s or profile.timeout_s,
        isolated=processors.isolated(cpus),
        shared_gpu=setting.shared_gpu,
        interpreter=str(setting.python or sys.executable) if choose.LAUNCHERS[launcher].takes_python else "",
        code=_code(used, plan, device),
    )


def _code(used: set[str], plan: Plan, device: str) -> tuple[tuple[str, str], ...]:
    hello = {cell.framework for cell in plan.cells if cell.track == "idiomatic"}
    return checkout.code(used, device, hello=hello)


def _frameworks(job: Job) -> tuple[str, ...]:
    return models.needed(job.run.facts.frameworks, job.run.plan.cells)


def _require_same(what: str, given: object, stored: object, folder: RunFolder) -> None:
    if given is not None and given != stored:
        raise StoreError(f"{folder.id} cannot be resumed with {what} {given}: it was started with {stored}.")
