"""The commands that measure nothing: what can be run, what would be run, the results of a run.

Each imports what it needs when it runs: a report needs no launcher, a plan no statistics.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.frameworks import FRAMEWORKS
from harness.errors import OK, SOME_FAILED, USAGE, SelectionError
from harness.plan import request, selection, specs
from harness.plan.request import Request
from harness.store.folder import find
from harness.terminal import streams as terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bench.catalogue import Catalogue


def compare(
    a: str, b: str, *, fail_on: str | None, results: Path, threshold: str | None = None, format: str | None = None
) -> int:
    """Print how B, a run or a selection of cells, compares with A; return the exit code.

    Args:
        a: RUN, or RUN:field=name,…
        b: the same; without RUN before the colon, cells of the run of `a`.
        fail_on: conditions, separated by commas, of which any makes the exit code 3.
        results: folder of the runs.
        threshold: a difference that counts, as 10% or 1.1; None: verdicts, which need six blocks.
        format: csv, md, json or line; None: a table for people.
    """
    from harness.compare import choice, conditions, render
    from harness.compare.threshold import parsed

    asked = conditions.parsed(fail_on)
    beyond = None if threshold is None else parsed(threshold)
    if format is not None:
        request.one_of("format", format, render.FORMATS)
    chosen = choice.parsed(a), choice.parsed(b)
    first = find(results, chosen[0].run)
    second = find(results, chosen[1].run) if chosen[1].run else first
    comparison = render.compare_folders(first, second, chosen, threshold=beyond, format=format)
    if sentence := conditions.unjudged(comparison, asked):
        print(f"samestep: {sentence}", file=sys.stderr)
    return SOME_FAILED if conditions.are_met(comparison, asked) else OK


def list_offer() -> None:
    """Print what can be selected."""
    from rich.table import Table

    from bench.catalogue import DEVICES, catalogue
    from bench.reference.precision import PRECISIONS
    from harness.plan.profiles import PROFILES

    console = terminal.console()
    offer = catalogue()
    table = Table("framework", "mode", "what happens in it", box=None, header_style="bold", pad_edge=False)
    _fold(table)
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
    _print_pipelines(console, offer)
    _print_strategies(console, offer)
    for framework in offer.frameworks:
        if framework.allocators:
            policies = ", ".join(policy.name for policy in framework.allocators)
            console.print(f"allocators of {framework.name}: default, {policies}", highlight=False)
        if set(framework.devices) != set(DEVICES):
            console.print(f"devices of {framework.name}: {', '.join(framework.devices)}", highlight=False)
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


def _print_strategies(console: "Console", offer: "Catalogue") -> None:
    from rich.table import Table

    from bench.catalogue import SCALINGS

    strategies = Table(
        "framework", "strategy (--ranks)", "what happens in it", box=None, header_style="bold", pad_edge=False
    )
    _fold(strategies)
    for framework in offer.frameworks:
        for strategy in framework.strategies:
            beside = f"{strategy.sentence} (held beside {strategy.compared})"
            strategies.add_row(framework.name, strategy.name, beside)
    console.print(strategies)
    console.print(f"scaling for --ranks: {', '.join(SCALINGS)}\n", highlight=False)


def _print_pipelines(console: "Console", offer: "Catalogue") -> None:
    from rich.table import Table

    from bench.data import SIZES

    pipelines = Table(
        "framework", "pipeline (--stream)", "what happens in it", box=None, header_style="bold", pad_edge=False
    )
    _fold(pipelines)
    for framework in offer.frameworks:
        for pipeline in framework.pipelines:
            pipelines.add_row(framework.name, pipeline.name, pipeline.sentence)
    console.print(pipelines)
    console.print(f"data sets for --stream: {', '.join(SIZES)}\n", highlight=False)


def show_plan(requested: Request, launcher: str | None, results: Path) -> None:
    """Print the cells and the order of a run, and how long it would take, estimated from earlier runs."""
    from bench.catalogue import device_lacking
    from harness.format import rough_duration
    from harness.plan import label
    from harness.plan.planner import planned_run
    from harness.run import progress
    from harness.store import history

    planned = planned_run(requested, launchers=launcher, blocks=None, say=lambda line: None)
    plan = planned.plan
    if planned.left_out:
        print(planned.left_out)
    print(plan)
    known = history.seconds(results, profile=planned.profile.name, device=planned.device)
    new = sum(cell not in known for cell in plan.cells)
    seconds = progress.TimeLeft(plan, earlier=known).seconds()
    if seconds is not None:
        most = "at most " if plan.looks else ""
        unmeasured = f"; {new} of the cells were not, and count as the mean of the others" if new else ""
        print(f"{most}about {rough_duration(seconds)}, as measured in {results}{unmeasured}")
    offers = {offer.name: offer for offer in planned.offer.frameworks}
    for replicate in plan.in_order():
        lacking = device_lacking(offers[replicate.cell.framework], planned.device)
        skipped = f", skipped: {lacking}" if lacking else ""
        print(f"{replicate.position:>4}  block {replicate.block}  {label.name(replicate.cell)}{skipped}")


def build(frameworks: tuple[str, ...], device: str | None) -> int:
    """Build the images of `frameworks`, each one name or several by comma; return the exit code."""
    from bench.catalogue import framework_offer
    from harness.environments import locks
    from harness.launchers import images
    from harness.run import progress

    valid = dict.fromkeys((*FRAMEWORKS, "harness"))
    named = selection.names(",".join(frameworks)) if frameworks else ()
    specs.require_locked(named, whom="samestep build")  # a run builds those of variants, whose locks are in its folder
    for name in named:
        selection.known("framework", name, valid)
    device = request.one_of("device", device or "cpu", request.DEVICES)
    usual = tuple(name for name in locks.asked_for(device) if not framework_offer(name).exhibit)
    failed = images.build(named or usual, device, progress.say)
    for framework, reason in failed.items():
        print(f"samestep: {framework}: {reason}", file=sys.stderr)
    return USAGE if failed else OK


def report(name: str, *, format: str | None, table: str | None, output: Path | None, results: Path) -> None:
    """Print the report of a run or one `table`, with `format` in that format; or write all of it into `output`."""
    from harness.report import write
    from harness.report.exporters import BINARY, EXPORTERS, SINGLE, WHOLE
    from harness.report.tables.all import TABLES
    from harness.validity.results import load

    if format is not None:
        request.one_of("format", format, tuple(EXPORTERS))
    if table is not None:
        request.one_of("table", table, TABLES)
    if format in WHOLE and table is not None:
        raise SelectionError(
            f"--format {format} has no single tables: leave --table out, or choose {', '.join(SINGLE)}."
        )
    if format in BINARY and sys.stdout.isatty():
        raise SelectionError(
            f"A terminal cannot show {format}: send it into a file (> {table or 'steps'}.{format}),"
            " or write all tables with --output DIR and without --format."
        )
    folder = find(results, name)
    if output is not None:
        if format is not None or table is not None:
            raise SelectionError("--output writes every format and table: leave --format and --table out.")
        print(f"Report: {write.write_report(folder, output)}")
    elif format is None:
        write.print_report(folder, table)
        if table is None:
            print(write.where(folder))
    else:
        terminal.document(write.document(load(folder), format, table))


def show(frameworks: tuple[str, ...]) -> None:
    """Print the hello worlds of `frameworks` side by side."""
    from bench.catalogue import catalogue
    from harness.hello import side_by_side

    with_hello = {offer.name: offer for offer in catalogue().frameworks if offer.hello}
    chosen = [selection.known("hello world", name, with_hello) for name in frameworks] or list(with_hello.values())
    side_by_side(chosen, terminal.console())


def doctor(device: str | None = None) -> int:
    """Print what this host can run, or what of it on `device`; return the exit code."""
    from bench.catalogue import catalogue
    from harness.doctor import printing, programs, survey
    from harness.doctor.checks import can_run, examine, obstacle, ways

    if device is not None:
        request.one_of("device", device, request.DEVICES)
    checks = (
        *examine(survey.look()),
        *programs.checks([offer for offer in catalogue().frameworks if not offer.exhibit]),
    )
    printing.checks(terminal.console(), checks)
    print()
    for way in ways(checks, device):
        print(f"{way.command}: {f'not yet, see {way.obstacle}' if way.obstacle else 'ready'}")
    if can_run(checks, device):
        return OK
    if device is not None:
        print(f"samestep: {obstacle(checks, device)}", file=sys.stderr)
    return USAGE


def _fold(table: "Table") -> None:
    """Let long words go on in the next line where a terminal is narrow: cut, a remedy could not be followed."""
    for column in table.columns:
        column.overflow = "fold"


def check(framework: str) -> int:
    """Print what a framework that is being added has and lacks; return the exit code."""
    from rich.markup import escape

    from harness.doctor import adding

    console = terminal.console()
    needs = adding.needs(framework)
    colours = {"ok": "green", "optional": "yellow"}
    for need in needs:
        status = f"[{colours.get(need.status, 'red')}]{need.status:<8}[/]"
        console.print(f"{status} {escape(need.where)}: {escape(need.found)}", soft_wrap=True, highlight=False)
        if need.remedy:
            console.print(f"         {escape(need.remedy)}", style="dim", soft_wrap=True, highlight=False)
    lacking = [need for need in needs if not need.is_met]
    if lacking:
        print(f"\n{framework} is not complete: {len(lacking)} of the lines above say what to do.")
        return SOME_FAILED
    print(f"\n{framework} is complete: make test, then samestep run --framework {framework} --profile quick")
    return OK
