"""The command line: options and commands. Each command calls `harness.commands` or `harness.session`.

These modules are imported when a command runs, so that `samestep --help` is fast.
"""

import contextlib
import inspect
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, NoReturn, cast

import typer

from bench.workloads import WorkloadError
from harness.errors import USAGE, SamestepError
from harness.launchers.choose import AUTO, LAUNCHERS
from harness.plan import request
from harness.plan.profiles import PROFILES
from harness.plan.request import Setting
from harness.report.exporters import EXPORTERS
from harness.selftest import commands as selftest

app = typer.Typer(
    help="The same training step in every deep-learning framework and compile mode, and what it costs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(selftest.app, name="selftest")


Device = Annotated[str | None, typer.Option(help=f"{' or '.join(request.DEVICES)}. [default: cpu]")]
Launcher = Annotated[str | None, typer.Option(help=f"{', '.join((AUTO, *LAUNCHERS))}; two by comma: side by side.")]
REQUEST: Final[Mapping[str, object]] = {  # the options that choose what to run
    "framework": Annotated[str | None, typer.Option(help="Frameworks, separated by commas. [default: all]")],
    "workload": Annotated[str | None, typer.Option(help="Workloads, separated by commas. [default: regression]")],
    "mode": Annotated[
        str | None, typer.Option(help="Modes, separated by commas; hello: the hello world. [default: all]")
    ],
    "optimizer": Annotated[
        str | None, typer.Option(help="Optimizers, separated by commas; none: forward only. [default: the profile's]")
    ],
    "size": Annotated[str | None, typer.Option(help="Sizes, separated by commas. [default: the device's]")],
    "precision": Annotated[
        str | None, typer.Option(help="float32, tf32, bfloat16, separated by commas. [default: float32]")
    ],
    "allocator": Annotated[
        str | None, typer.Option(help="Allocator policies, separated by commas. [default: default]")
    ],
    "measure": Annotated[
        str | None, typer.Option(help="time, memory, energy, separated by commas. [default: the profile's]")
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
def doctor() -> None:
    """Say what this host can run.

    For each thing that it cannot run, a line below the table has the remedy.
    """
    from harness import commands

    raise typer.Exit(commands.doctor())


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
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a framework. [default: the CPU set's]")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds one replicate may take.")] = None,
    blocks: Annotated[int | None, typer.Option(min=1, help="Replicates of each cell. [default: the profile's]")] = None,
    allow_shared_gpu: Annotated[bool, typer.Option(help="Run although other programs use the GPU.")] = False,
    alternate: Annotated[
        bool | None,
        typer.Option(help="Let the processes of a block take turns, in slices of 50 ms. [default: not on a GPU]"),
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
        timeout_s=timeout,
        blocks=blocks,
        shared_gpu=allow_shared_gpu,
        alternate=alternate,
    )
    raise typer.Exit(session.resume(resume, requested, setting) if resume else session.run(requested, setting))


@app.command()
def build(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks. [default: all]")] = None,
    device: Device = None,
) -> None:
    """Build the container images that --launcher docker runs."""
    from harness import commands

    raise typer.Exit(commands.build(tuple(frameworks or ()), device))


@app.command()
def report(
    run: RunName = "latest",
    format: Annotated[str | None, typer.Option(help=f"Print as {', '.join(EXPORTERS)}. [default: tables]")] = None,
    table: Annotated[str | None, typer.Option(help="With csv or md: only this table, such as steps or memory.")] = None,
    results: Results = Path("results"),
) -> None:
    """Make the report of a run again and print it."""
    from harness import commands

    commands.report(run, format=format, table=table, results=results)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A run's id or folder, or some cells of it: RUN:mode=eager,framework=jax.")],
    b: Annotated[str, typer.Argument(help="What to compare with it; without RUN before the colon: the same run.")],
    fail_on: Annotated[
        str | None,
        typer.Option(help="Exit 3 when B is `slower` anywhere; or faster, undetermined, not-comparable, unmatched."),
    ] = None,
    format: Annotated[str | None, typer.Option(help="Print as csv, md, json or line.")] = None,
    results: Results = Path("results"),
) -> None:
    """Compare two runs, or two selections of one run.

    The table has a ratio, its interval and a verdict for each cell.
    """
    from harness import commands

    raise typer.Exit(commands.compare(a, b, fail_on=fail_on, results=results, format=format))


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
    try:
        app(standalone_mode=True)
    except SamestepError as error:
        print(f"samestep: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except WorkloadError as error:
        print(f"samestep: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except BrokenPipeError:
        # The reader of the output has ended, as `| head` does; without this, Python reports it once more at exit.
        with contextlib.suppress(OSError):
            sys.stdout = None
        sys.exit(0)
    sys.exit(0)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
