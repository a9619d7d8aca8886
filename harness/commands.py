"""What the commands do, each a page of prose that calls the modules with the work."""

import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.catalogue import Catalogue, catalogue
from bench.record import Cell, Record
from harness import host, options, progress, selection, store
from harness.errors import INTERRUPTED, OK, SOME_FAILED, USAGE, StoreError
from harness.launchers import choose
from harness.launchers.base import Launcher
from harness.options import Asked, Where
from harness.plan import Plan, make_plan
from harness.profiles import PROFILES, Profile
from harness.report.facts import Run as Results
from harness.report.facts import RunFacts
from harness.resume import require_fit
from harness.run import Run, bad_cells, execute, finished, own_share
from harness.store import RunFolder

DEFAULT_PROFILE = "default"


def run(asked: Asked, where: Where) -> int:
    """Measure a selection from the start; return the exit code."""
    profile = selection.profile(asked.profile or DEFAULT_PROFILE)
    device = options.one_of("device", asked.device or "cpu", options.DEVICES)
    options.one_of("launcher", where.launcher or "auto", options.LAUNCHERS)
    offer = catalogue()
    cells = selection.cells(offer, asked.selection(), profile, device)
    cpus = options.cpu_set(where.cpus) if where.cpus else host.default_cpus()
    seed = random.SystemRandom().randrange(2**31) if asked.seed is None else asked.seed
    plan = make_plan(cells, profile.blocks, seed)
    folder = store.create(where.results, time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + profile.name)
    folder.lock()
    name = choose.resolve(where.launcher or "auto", _frameworks(cells), device, lambda line: print(line, flush=True))
    launcher = choose.launcher(name, device, where.python)
    facts = _facts(folder, asked, where, profile, plan, offer, device, cpus, launcher.name)
    folder.write_plan(plan)
    folder.write_facts(facts)
    print(
        f"{folder.id}: {len(cells)} cells × {plan.blocks} blocks = {plan.replicates} replicates, seed {seed},"
        f" CPU set {','.join(map(str, cpus))}, launcher {launcher.name}",
        flush=True,
    )
    return _session(Run(folder=folder, plan=plan, facts=facts, settings=profile.settings), launcher)


def resume(name: str, asked: Asked, where: Where) -> int:
    """Go on with a run that was interrupted; return the exit code."""
    folder = store.find(where.results, name)
    folder.lock()
    facts, plan, records = folder.facts(), folder.plan(), folder.records()
    device = facts.device
    _require_same("profile", asked.profile, facts.profile, folder)
    _require_same("seed", asked.seed, facts.seed, folder)
    _require_same("device", asked.device, device, folder)
    if where.launcher not in (None, "auto"):
        _require_same("launcher", where.launcher, facts.launcher, folder)
    selected = None
    if asked.words():
        selected = selection.cells(catalogue(), asked.selection(), selection.profile(facts.profile), device)
    code = host.code({cell.framework for cell in plan.cells}, device)
    require_fit(folder.id, plan, facts, records, code, selected)
    store.require_space(folder.path)
    settings = facts.settings or selection.profile(facts.profile).settings
    launcher = choose.launcher(facts.launcher, device, where.python)
    print(f"{folder.id}: {len(records)} of {plan.replicates} replicates are done", flush=True)
    return _session(Run(folder=folder, plan=plan, facts=facts, settings=settings), launcher)


def _session(run: Run, launcher: Launcher) -> int:
    """Prepare, run what is left, report; return the exit code."""
    folder, already = run.folder, len(run.folder.records())
    frameworks = _frameworks(run.plan.cells)
    try:
        unprepared = launcher.prepare(frameworks, lambda line: print(line, flush=True))
        for framework, reason in unprepared.items():
            print(f"samestep: {framework} cannot run: {reason}", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        interrupted = _loop(run, launcher, unprepared)
        records = folder.records()
        folder.write_facts(finished(run.facts, records, time.perf_counter() - begin))
        if interrupted:
            print(
                f"Interrupted: {len(records)} of {run.plan.replicates} replicates are kept in {folder.path}.\n"
                f"Go on with: samestep run --resume {folder.id}",
                flush=True,
            )
            return INTERRUPTED
        page = write_report(folder)
        share = own_share(records[already:], time.perf_counter() - begin)
    except KeyboardInterrupt:
        print(f"Interrupted. Go on with: samestep run --resume {folder.id}", flush=True)
        return INTERRUPTED
    finally:
        launcher.close()
        folder.unlock()
    print_report(folder)
    print(f"samestep's own share of the wall time: {share:.1%}; the rest are the phases of the replicates")
    print(f"Report: {page}")
    return _verdict(records)


def _loop(run: Run, launcher: Launcher, unprepared: Mapping[str, str]) -> bool:
    """Run what is left; return whether it was interrupted."""
    show = progress.progress(run.plan, run.folder.records())
    try:
        execute(run, launcher, unprepared, show)
    except KeyboardInterrupt:
        return True
    finally:
        show.close()
    return False


def _verdict(records: tuple[Record, ...]) -> int:
    bad = bad_cells(records)
    if not bad:
        return OK
    print(f"{len(bad)} cells have no valid result or lost a replicate; their rows say why:", file=sys.stderr)
    for cell in bad:
        reason = next(one.reason for one in records if one.cell == cell and one.status not in ("ok", "skipped"))
        print(f"  {progress.name(cell)}: {reason}", file=sys.stderr)
    return SOME_FAILED


def _facts(
    folder: RunFolder,
    asked: Asked,
    where: Where,
    profile: Profile,
    plan: Plan,
    offer: Catalogue,
    device: str,
    cpus: tuple[int, ...],
    launcher: str,
) -> RunFacts:
    commit, dirty = host.commit()
    used = {cell.framework for cell in plan.cells}
    return RunFacts(
        id=folder.id,
        profile=profile.name,
        seed=plan.seed,
        blocks=plan.blocks,
        replicates=plan.replicates,
        started_unix_ns=time.time_ns(),
        wall_s=0.0,
        host=host.host_facts(),
        commit=commit,
        dirty=dirty,
        launcher=launcher,
        cpus=cpus,
        threads=where.threads or len(cpus),
        frameworks=tuple(one for one in offer.frameworks if one.name in used),
        selection=asked.words(),
        device=device,
        settings=profile.settings,
        timeout_s=where.timeout or profile.timeout_s,
        code=host.code(used, device),
    )


def _frameworks(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell.framework for cell in cells))


def _require_same(what: str, given: object, stored: object, folder: RunFolder) -> None:
    if given is not None and given != stored:
        raise StoreError(f"{folder.id} cannot be resumed with {what} {given}: it was started with {stored}.")


def write_report(folder: RunFolder) -> Path:
    """Make the report of a run anew; return the path of its page."""
    from harness import report

    folder.write_parquet()
    return report.write(load(folder), folder.report_path)


def print_report(folder: RunFolder) -> None:
    """Print the tables for a person."""
    from harness import report

    report.terminal(load(folder), Console(file=sys.stdout))


def load(folder: RunFolder) -> Results:
    """Return everything a report is made from; raises StoreError."""
    samples = folder.path / store.PARQUET_FILE
    return Results(facts=folder.facts(), records=folder.records(), samples=samples if samples.is_file() else None)


def list_offer() -> None:
    """Print what can be selected."""
    console = Console(file=sys.stdout)
    offer = catalogue()
    table = Table("framework", "mode", "what happens in it", box=None, header_style="bold", pad_edge=False)
    for framework in offer.frameworks:
        for mode in framework.modes:
            baseline = " (speed-ups compare with it)" if mode.name == framework.baseline else ""
            table.add_row(framework.name, mode.name, mode.sentence + baseline)
        if framework.hello:
            table.add_row(
                framework.name, "hello", f"the hello world: {framework.hello_lines} logical lines, cold start"
            )
    console.print(table)
    for workload in offer.workloads:
        console.print(f"\nworkload {workload.name}: {workload.sentence}", highlight=False)
        console.print(
            f"  sizes {', '.join(workload.sizes)}; optimizers {', '.join(workload.optimizers)}", highlight=False
        )
    console.print()
    for profile in PROFILES.values():
        console.print(f"profile {profile.name}: {profile.sentence}", highlight=False)


def show_plan(asked: Asked) -> None:
    """Print the cells and the order of a run."""
    profile = selection.profile(asked.profile or DEFAULT_PROFILE)
    device = options.one_of("device", asked.device or "cpu", options.DEVICES)
    cells = selection.cells(catalogue(), asked.selection(), profile, device)
    seed = random.SystemRandom().randrange(2**31) if asked.seed is None else asked.seed
    plan = make_plan(cells, profile.blocks, seed)
    print(f"{len(cells)} cells × {plan.blocks} blocks = {plan.replicates} replicates, seed {seed}")
    for place in plan.places():
        print(f"{place.position:>4}  block {place.block}  {progress.name(place.cell)}")


def report(name: str, format: str | None, table: str | None, results: Path) -> None:
    """Make the report of a run anew and print it."""
    from harness import report as reports

    folder = store.find(results, name)
    page = write_report(folder)
    if format is None:
        print_report(folder)
        print(f"Report: {page}")
    else:
        options.one_of("format", format, reports.FORMATS)
        sys.stdout.write(reports.render(load(folder), format, table))


def show(frameworks: tuple[str, ...]) -> None:
    """Print the hello worlds of `frameworks` side by side."""
    from harness import show as shows

    with_hello = {one.name: one for one in catalogue().frameworks if one.hello}
    chosen = [selection.known("hello world", name, with_hello) for name in frameworks] or list(with_hello.values())
    shows.side_by_side(chosen, Console(file=sys.stdout))


def doctor() -> int:
    """Print what this host can run; return the exit code."""
    from harness import doctor as doctors
    from harness import symptoms

    checks = doctors.examine(symptoms.look())
    console = Console(file=sys.stdout)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table("check", "", "found", "remedy", box=None, header_style="bold", pad_edge=False)
    for check in checks:
        status = f"[{colours[check.status]}]{check.status}[/]"
        table.add_row(escape(check.name), status, escape(check.found), escape(check.remedy))
    console.print(table)
    console.print()
    for way in doctors.ways(checks):
        print(f"{way.command}: {f'not yet, see {way.obstacle}' if way.obstacle else 'ready'}")
    return OK if doctors.can_run(checks) else USAGE
