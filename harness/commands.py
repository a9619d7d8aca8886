"""The commands that measure nothing: what can be run, what would be run, what a run found."""

import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.catalogue import catalogue
from bench.frameworks import FRAMEWORKS
from bench.reference.precision import PRECISIONS
from harness.compare import choice
from harness.errors import OK, SOME_FAILED, USAGE
from harness.format import minutes
from harness.plan import label, request, selection
from harness.plan.planner import planned_run
from harness.plan.profiles import PROFILES
from harness.plan.request import Request
from harness.run import progress
from harness.store import folder as store
from harness.store import history
from harness.validity.results import load


def compare(a: str, b: str, fail_on: str | None, results: Path, format: str | None = None) -> int:
    """Print how the second run, or selection, compares with the first; return the exit code."""
    from harness.compare import render
    from harness.compare.compare import CONDITIONS, NOT_COMPARABLE

    conditions = [one.replace("-", " ") for one in selection.names(fail_on)]
    for condition in conditions:
        request.one_of("condition", condition, CONDITIONS)
    if format is not None:
        request.one_of("format", format, render.FORMATS)
    chosen = choice.parsed(a), choice.parsed(b)
    first = store.find(results, chosen[0].run)
    second = store.find(results, chosen[1].run) if chosen[1].run else first
    found = render.compare_folders(first, second, chosen, format)
    unjudged = found.count(NOT_COMPARABLE) + found.count("unmatched")
    if conditions and unjudged:
        print(f"samestep: {unjudged} of the cells could not be judged; the table says why.", file=sys.stderr)
    return SOME_FAILED if any(found.count(condition) for condition in conditions) else OK


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
    console.print()
    for framework in offer.frameworks:
        if framework.allocators:
            policies = ", ".join(policy.name for policy in framework.allocators)
            console.print(f"allocators of {framework.name}: default, {policies}", highlight=False)
    for workload in offer.workloads:
        console.print(f"\nworkload {workload.name}: {workload.sentence}", highlight=False)
        console.print(
            f"  sizes {', '.join(workload.sizes)}; optimizers {', '.join(workload.optimizers)}", highlight=False
        )
    console.print()
    for name in offer.precisions:
        console.print(f"precision {name}: {PRECISIONS[name].sentence}", highlight=False)
    console.print()
    for profile in PROFILES.values():
        console.print(f"profile {profile.name}: {profile.sentence}", highlight=False)


def show_plan(requested: Request, launcher: str | None, results: Path) -> None:
    """Print the cells and the order of a run, and how long it would take by what was measured before."""
    found = planned_run(requested, launcher, None, say=lambda line: None)
    plan = found.plan
    if found.left_out:
        print(found.left_out)
    print(plan)
    known = history.seconds(results, found.profile.name, found.device)
    new = sum(cell not in known for cell in plan.cells)
    seconds = progress.TimeLeft(plan, earlier=known).seconds()
    if seconds is not None:
        most = "at most " if plan.looks else ""
        guessed = f"; {new} of the cells were not, and are taken as the mean of the others" if new else ""
        print(f"{most}about {minutes(seconds)}, as measured in {results}{guessed}")
    for planned in plan.in_order():
        print(f"{planned.position:>4}  block {planned.block}  {label.name(planned.cell)}")


def build(frameworks: tuple[str, ...], device: str | None) -> int:
    """Build the images of `frameworks`; return the exit code."""
    from harness.launchers import images

    valid = dict.fromkeys((*FRAMEWORKS, "harness"))
    for name in frameworks:
        selection.known("framework", name, valid)
    failed = images.build(
        frameworks or FRAMEWORKS, request.one_of("device", device or "cpu", request.DEVICES), progress.say
    )
    for framework, reason in failed.items():
        print(f"samestep: {framework}: {reason}", file=sys.stderr)
    return USAGE if failed else OK


def report(name: str, format: str | None, table: str | None, results: Path) -> None:
    """Make the report of a run anew and print it."""
    from harness.report import write
    from harness.report.exporters import EXPORTERS
    from harness.report.tables.all import TABLES

    if format is not None:
        request.one_of("format", format, tuple(EXPORTERS))
    if table is not None:
        request.one_of("table", table, TABLES)
    folder = store.find(results, name)
    page = write.write_report(folder)
    if format is None:
        write.print_report(folder)
        print(f"Report: {page}")
    else:
        sys.stdout.write(write.render(load(folder), format, table))


def show(frameworks: tuple[str, ...]) -> None:
    """Print the hello worlds of `frameworks` side by side."""
    from harness import hello as shows

    with_hello = {one.name: one for one in catalogue().frameworks if one.hello}
    chosen = [selection.known("hello world", name, with_hello) for name in frameworks] or list(with_hello.values())
    shows.side_by_side(chosen, Console(file=sys.stdout))


def doctor() -> int:
    """Print what this host can run; return the exit code."""
    from harness.doctor import checks as doctors
    from harness.doctor import survey

    checks = doctors.examine(survey.look())
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
