"""The command line: options and commands. Each command calls `harness.commands` or `harness.session`.

These modules are imported when a command runs, so that `samestep --help` is fast.
"""

import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, NoReturn, cast

import typer

from bench.catalogue import PERIODS, FrameworkError
from bench.data import SIZES
from bench.workloads import WorkloadError
from harness.bisect import commands as bisect
from harness.errors import OK, USAGE, SamestepError
from harness.fleet import commands as fleet
from harness.launchers.choose import AUTO, LAUNCHERS
from harness.loops import commands as loops
from harness.plan import request
from harness.plan.profiles import PROFILES
from harness.plan.request import Setting
from harness.plan.selection import ALL
from harness.report.exporters import EXPORTERS
from harness.rerun import commands as again
from harness.selftest import commands as selftest
from harness.terminal import failures
from harness.terminal import streams as terminal

app = typer.Typer(
    help="The same training step in every deep-learning framework and compile mode, and what it costs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(selftest.app, name="selftest")
app.command("loop")(loops.loop)
app.command("rerun")(again.rerun)
app.command("bisect")(bisect.bisect)


Device = Annotated[str | None, typer.Option(help=f"{' or '.join(request.DEVICES)}. [default: cpu]")]
Launcher = Annotated[str | None, typer.Option(help=f"{', '.join((AUTO, *LAUNCHERS))}; two by comma: side by side.")]
REQUEST: Final[Mapping[str, object]] = {  # the options that choose what to run
    "framework": Annotated[
        str | None, typer.Option(help="Frameworks, separated by commas; jax@0.9.2: in that version. [default: all]")
    ],
    "workload": Annotated[str | None, typer.Option(help="Workloads, separated by commas. [default: regression]")],
    "mode": Annotated[
        str | None, typer.Option(help="Modes, separated by commas; hello: the hello world. [default: all]")
    ],
    "optimizer": Annotated[
        str | None, typer.Option(help="Optimizers, separated by commas; none: forward only. [default: the profile's]")
    ],
    "size": Annotated[str | None, typer.Option(help="Sizes, separated by commas. [default: the device's]")],
    "precision": Annotated[
        str | None, typer.Option(help="float32, tf32, bfloat16, int8 …, separated by commas. [default: float32]")
    ],
    "allocator": Annotated[
        str | None, typer.Option(help="Allocator policies, separated by commas. [default: default]")
    ],
    "batch": Annotated[
        str | None, typer.Option(help="Infer with the trained model at these batches, separated by commas.")
    ],
    "stream": Annotated[
        str | None, typer.Option(help=f"Train from these data sets: {', '.join(SIZES)}; the modes are pipelines.")
    ],
    "ranks": Annotated[
        str | None, typer.Option(help="Data-parallel over so many ranks, separated by commas; modes are strategies.")
    ],
    "scaling": Annotated[
        str | None, typer.Option(help="With --ranks: strong, weak: ranks share the batch, or have one each. [both]")
    ],
    "era": Annotated[
        str | None, typer.Option(help=f"Frameworks of the past beside today's: {', '.join((ALL, *PERIODS))}.")
    ],
    "measure": Annotated[
        str | None, typer.Option(help="time, memory, energy, cold, separated by commas. [default: the profile's]")
    ],
    "profile": Annotated[
        str | None,
        typer.Option(help=f"How often and how long: {', '.join(PROFILES)}. [default: {request.DEFAULT_PROFILE}]"),
    ],
    "device": Device,
    "seed": Annotated[int | None, typer.Option(help="Seed of the order within the blocks. [default: random]")],
}
Results = Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")]
RunName = Annotated[str, typer.Argument(help="A run's id, the path of its folder, or `latest`.")]


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of REQUEST to `command`, which is called with the `Request` parsed from them."""

    def with_request(**typed: object) -> None:
        seed = cast("int | None", typed.pop("seed"))
        names = {name: cast("str | None", typed.pop(name)) for name in REQUEST if name != "seed"}
        command(request.parsed(seed=seed, **names), **typed)

    own = list(inspect.signature(command).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in REQUEST.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    with_request.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    with_request.__annotations__ = {parameter.name: parameter.annotation for parameter in (*shared, *own)}
    with_request.__name__, with_request.__doc__ = command.__name__, command.__doc__
    return with_request


@app.command()
def doctor(
    device: Annotated[str | None, typer.Option(help="cpu or cuda. [default: both; with --deep: cpu]")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Run a tiny cell of each framework and mode, too.")] = False,
    framework: Annotated[
        str | None, typer.Option(help="With --deep: frameworks. [default: those that are set up]")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="With --deep: modes. [default: all]")] = None,
    launcher: Annotated[str | None, typer.Option(help=f"With --deep: {', '.join((AUTO, *LAUNCHERS))}.")] = None,
    minutes: Annotated[float | None, typer.Option(help="With --deep: how long it may take. [default: 3]")] = None,
    lock_clocks: Annotated[
        bool, typer.Option("--lock-clocks", help="With --deep: lock the GPU's clocks for one cell, then unlock them.")
    ] = False,
    results: Results = Path("results"),
) -> None:
    """Say what this host can run.

    For each thing that it cannot run, a line below the table has the remedy. With --deep a tiny cell of each framework
    and mode is really run, for three minutes at most, and one file has all that a report of a fault needs. Exit codes:
    0 all works; 1 nothing can run; 3 something does not work.
    """
    from harness import commands

    named = {"--framework": framework, "--mode": mode, "--launcher": launcher, "--minutes": minutes}
    if not deep:
        request.require_none({**named, "--lock-clocks": lock_clocks or None}, needs="--deep")
        raise typer.Exit(commands.doctor(device))
    from harness.doctor.deep import check

    asked = check.Asked(
        names=request.parsed(framework=framework, mode=mode).selection,
        device=device or "cpu",
        launcher=launcher or AUTO,
        minutes=check.MINUTES if minutes is None else minutes,
        lock_clocks=lock_clocks,
        results=results,
    )
    raise typer.Exit(check.run(asked))


@app.command()
def check(
    framework: Annotated[str, typer.Argument(help="The name of its file in bench/frameworks, without .py.")],
) -> None:
    """Say what a framework that is being added still needs.

    Each line has a file, what is missing or wrong there, and the remedy. What is optional is said, too.
    """
    from harness import commands

    raise typer.Exit(commands.check(framework))


@app.command("list")
def list_() -> None:
    """List frameworks, modes, workloads, optimizers and profiles."""
    from harness import commands

    commands.list_offer()


@app.command()
@takes_request
def plan(requested: request.Request, launcher: Launcher = None, results: Results = Path("results")) -> None:
    """Show what a run would do; run nothing.

    The list has the replicates in the order in which they would run; where earlier runs are known, an estimate of the
    time comes first.
    """
    from harness import commands

    commands.show_plan(requested, launcher, results)


@app.command()
@takes_request
def run(
    requested: request.Request,
    results: Results = Path("results"),
    launcher: Launcher = None,
    python: Annotated[
        Path | None, typer.Option(help="Interpreter for --launcher here. [default: samestep's own]")
    ] = None,
    cpus: Annotated[str | None, typer.Option(help="CPU set of the replicates, as 1-3. [default: all but one]")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Threads of a framework. [default: the CPU set's]")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds one replicate may take.")] = None,
    blocks: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Replicates of each cell. [default: the profile's]")
    ] = None,
    allow_shared_gpu: Annotated[bool, typer.Option(help="Run although other programs use the GPU.")] = False,
    alternate: Annotated[
        bool | None,
        typer.Option(help="Let the processes of a block take turns, in slices of 50 ms. [default: not on a GPU]"),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A variable for the replicates, or NAME: as it is here. Repeatable."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="With --stream: the folder that holds the data sets. [default: .data]")
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run: its id, its folder, or `latest`.")] = None,
) -> None:
    """Measure the selected cells and write the report.

    A run goes block by block: each block has one replicate of each cell, in random order.
    """
    from harness import session

    setting = Setting(
        results=results,
        launcher=launcher,
        python=python and python.absolute(),  # replicates have other working directories
        cpus=cpus,
        threads=threads,
        timeout_s=request.seconds("--timeout", timeout),
        blocks=blocks,
        shared_gpu=allow_shared_gpu,
        alternate=alternate,
        env=tuple(env or ()),
        data=data,
    )
    raise typer.Exit(session.resume(resume, requested, setting) if resume else session.run(requested, setting))


app.add_typer(fleet.app(run), name="fleet")


@app.command()
def build(
    frameworks: Annotated[
        list[str] | None,
        typer.Argument(help="Frameworks, separated by blanks or commas. [default: all]", envvar="SAMESTEP_FRAMEWORK"),
    ] = None,
    device: Device = None,
) -> None:
    """Build the container images that --launcher docker runs: of those frameworks and no others."""
    from harness import commands

    raise typer.Exit(commands.build(tuple(frameworks or ()), device))


@app.command()
def report(
    run: RunName = "latest",
    format: Annotated[str | None, typer.Option(help=f"Print as {', '.join(EXPORTERS)}. [default: tables]")] = None,
    table: Annotated[str | None, typer.Option(help="Only this table, such as steps, memory or claims.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the whole report, page and tables, into this folder; print nothing else.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Print the report of a run; with --output, make its page and tables again.

    Printing writes nothing.
    """
    from harness import commands

    commands.report(run, format=format, table=table, output=output, results=results)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A run's id or folder, or some cells of it: RUN:mode=eager,framework=jax.")],
    b: Annotated[str, typer.Argument(help="What to compare with it; without RUN before the colon: the same run.")],
    fail_on: Annotated[
        str | None,
        typer.Option(help="Exit 3 when B is `slower` anywhere; or faster, undetermined, not-comparable, unmatched."),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(help="Slower is what is surely slower by more than this, as 10% or 1.1; needs only two blocks."),
    ] = None,
    format: Annotated[str | None, typer.Option(help="Print as csv, md, json or line.")] = None,
    results: Results = Path("results"),
) -> None:
    """Compare two runs, or two selections of one run.

    The table has a ratio, its interval and a verdict for each cell. Exit codes: 0; 1 what cannot be compared; 2 a
    command line that cannot be read; 3 a condition of --fail-on is met.
    """
    from harness import commands

    raise typer.Exit(commands.compare(a, b, fail_on=fail_on, threshold=threshold, results=results, format=format))


@app.command()
def publish(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Runs: their ids, their folders, or `latest`.")
    ] = None,
    site: Annotated[Path, typer.Option(help="Folder of the site.")] = Path("site"),
    first_look: Annotated[bool, typer.Option("--first-look", help="Also runs too small for verdicts.")] = False,
    invalid: Annotated[bool, typer.Option("--invalid", help="Also runs with invalid cells.")] = False,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="Take this run out of the site. Repeatable.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Make the pages of RUN again; without RUN, of all.")] = False,
    url: Annotated[str | None, typer.Option(help="Where the site is to be found, for citations; kept.")] = None,
    author: Annotated[str | None, typer.Option(help="Who is to be cited; kept.")] = None,
    results: Results = Path("results"),
) -> None:
    """Publish runs as a static site, or add them to one.

    The site has each run's page and data, the history of each cell, and comparisons. It opens from the disk and on any
    web server. Exit codes: 0; 1 the site cannot be written; 3 some runs are not published, and why is said.
    """
    from harness.publish import command
    from harness.publish.add import Allowed

    asked = command.Asked(
        runs=tuple(runs or ()),
        remove=tuple(remove or ()),
        site=site,
        results=results,
        allowed=Allowed(first_look=first_look, invalid=invalid),
        anew=anew,
        url=url,
        author=author,
    )
    raise typer.Exit(command.publish(asked))


@app.command()
def show(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks. [default: all with one]")] = None,
) -> None:
    """Print the hello worlds side by side."""
    from harness import commands

    commands.show(tuple(frameworks or ()))


def main() -> NoReturn:
    """Run the command line; an error becomes one sentence and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    terminal.exiting(_exit_code)


def _exit_code() -> int:
    """Run the command that was typed; say its error; return its exit code."""
    if said := failures.too_little_memory():
        print(f"samestep: {said}.", file=sys.stderr)
        return USAGE
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # of a worker, say; typer takes it for that of a reader
            return _say(end.__context__)
        return end.code if isinstance(end.code, int) else USAGE if end.code else OK
    except Exception as error:  # noqa: BLE001  (a person reads a sentence, whatever it is)
        return _say(error)
    return OK


def _say(error: Exception) -> int:
    """Say an error in one sentence; return its exit code."""
    if isinstance(error, SamestepError | WorkloadError):
        print(f"samestep: {failures.bounded(str(error))}", file=sys.stderr)
        return error.exit_code if isinstance(error, SamestepError) else USAGE
    if isinstance(error, FrameworkError):
        print(f"samestep: {error}: samestep check says all that a framework lacks", file=sys.stderr)
        return USAGE
    if os.environ.get(failures.WHOLE):
        traceback.print_exception(error)
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "it")
    kept = " What was measured is kept; --resume goes on with it." if command in ("run", "bisect") else ""
    print(f"samestep: {command} failed: {failures.sentence(error)}.{kept}", file=sys.stderr)
    return USAGE


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
