"""The command line: parse, plan, run, report. What each command does is in the module it calls."""

import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bench.workloads import WorkloadError
from harness import commands, session
from harness.errors import USAGE, SamestepError
from harness.plan.request import Asked, Where
from harness.report.write import TABLES
from harness.selftest import commands as selftest

app = typer.Typer(
    help="The same training step in every deep-learning framework and compile mode, and what it costs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(selftest.app, name="selftest")

Framework = Annotated[str | None, typer.Option(help="Frameworks, separated by commas. [default: all]")]
Mode = Annotated[str | None, typer.Option(help="Modes, separated by commas; hello: the hello world. [default: all]")]
Workload = Annotated[str | None, typer.Option(help="Workloads, separated by commas. [default: regression]")]
Size = Annotated[str | None, typer.Option(help="Sizes, separated by commas. [default: the device's]")]
Optimizer = Annotated[
    str | None, typer.Option(help="Optimizers, separated by commas; none: forward only. [default: the profile's]")
]
Precision = Annotated[str | None, typer.Option(help="float32, tf32, bfloat16, by commas. [default: float32]")]
Allocator = Annotated[str | None, typer.Option(help="Policies of the device allocator, by commas. [default: default]")]
Measure = Annotated[str | None, typer.Option(help="time, memory, energy, by commas. [default: the profile's]")]
ProfileName = Annotated[str | None, typer.Option(help="How often and how long: quick or default. [default: default]")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda. [default: cpu]")]
Seed = Annotated[int | None, typer.Option(help="Seed of the order within the blocks. [default: drawn]")]
Launcher = Annotated[str | None, typer.Option(help="auto, docker, venv, here, workers; two: side by side.")]
Results = Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")]
RunName = Annotated[str, typer.Argument(help="A run's id, the path of its folder, or `latest`.")]


@app.command()
def doctor() -> None:
    """Say what this host can run, and the remedy for each thing it cannot."""
    raise typer.Exit(commands.doctor())


@app.command("list")
def list_() -> None:
    """List frameworks, modes, workloads, optimizers and profiles."""
    commands.list_offer()


@app.command()
def plan(
    framework: Framework = None,
    workload: Workload = None,
    mode: Mode = None,
    optimizer: Optimizer = None,
    size: Size = None,
    precision: Precision = None,
    allocator: Allocator = None,
    measure: Measure = None,
    profile: ProfileName = None,
    device: Device = None,
    seed: Seed = None,
    launcher: Launcher = None,
    results: Results = Path("results"),
) -> None:
    """Show what a run would do, in which order and how long; run nothing."""
    asked = Asked(framework, workload, mode, optimizer, profile, device, seed, size, precision, allocator, measure)
    commands.show_plan(asked, launcher, results)


@app.command()
def run(
    framework: Framework = None,
    workload: Workload = None,
    mode: Mode = None,
    optimizer: Optimizer = None,
    size: Size = None,
    precision: Precision = None,
    allocator: Allocator = None,
    measure: Measure = None,
    profile: ProfileName = None,
    device: Device = None,
    seed: Seed = None,
    results: Results = Path("results"),
    launcher: Launcher = None,
    python: Annotated[Path | None, typer.Option(help="Interpreter for --launcher here. [default: samestep's]")] = None,
    cpus: Annotated[str | None, typer.Option(help="CPU set of the replicates, as 1-3. [default: all but one]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a framework. [default: the CPU set's]")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds one replicate may take.")] = None,
    blocks: Annotated[int | None, typer.Option(min=1, help="Replicates of each cell. [default: the profile's]")] = None,
    allow_shared_gpu: Annotated[bool, typer.Option(help="Run although other programs use the GPU.")] = False,
    resume: Annotated[str | None, typer.Option(help="Go on with this run: its id, its folder, or `latest`.")] = None,
) -> None:
    """Measure the selected cells, block by block, and write the report."""
    asked = Asked(framework, workload, mode, optimizer, profile, device, seed, size, precision, allocator, measure)
    python = python and python.absolute()  # replicates start in folders of their own
    place = Where(results, launcher, python, cpus, threads, timeout, blocks, allow_shared_gpu)
    raise typer.Exit(session.resume(resume, asked, place) if resume else session.run(asked, place))


@app.command()
def build(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks. [default: all]")] = None,
    device: Device = None,
) -> None:
    """Build the container images that --launcher docker runs."""
    raise typer.Exit(commands.build(tuple(frameworks or ()), device))


@app.command()
def report(
    run: RunName = "latest",
    format: Annotated[
        str | None, typer.Option(help="Print as csv, md, html or pytest-benchmark. [default: tables]")
    ] = None,
    table: Annotated[str | None, typer.Option(help=f"With csv or md: only this table, of {', '.join(TABLES)}.")] = None,
    results: Results = Path("results"),
) -> None:
    """Make the report of a run anew and print it."""
    commands.report(run, format, table, results)


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
    """Compare two runs, or two selections of one, cell by cell: ratios, intervals, verdicts."""
    raise typer.Exit(commands.compare(a, b, fail_on, results, format))


@app.command()
def show(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks. [default: all with one]")] = None,
) -> None:
    """Print the hello worlds side by side."""
    commands.show(tuple(frameworks or ()))


def main() -> NoReturn:
    """Run the command line; errors become one sentence and an exit code."""
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
        # Whoever read our output has gone, as `| head` does; Python would complain once more at exit.
        with contextlib.suppress(OSError):
            sys.stdout = None
        sys.exit(0)
    sys.exit(0)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
