"""`samestep selftest`: all figures in one table; `samestep selftest …`: one of them in detail."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure the suite itself and compare with its targets.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def everything(
    context: typer.Context,
    short: Annotated[bool, typer.Option("--short", help="Some ten minutes. [default: up to an hour]")] = False,
    load: Annotated[bool, typer.Option("--load", help="While another process keeps a core half busy.")] = False,
    format: Annotated[str | None, typer.Option(help="Print as md. [default: a table for people]")] = None,
) -> None:
    """Measure the suite itself and compare with its targets."""
    if context.invoked_subcommand is None:
        from harness.selftest import run

        raise typer.Exit(run.run(run.SHORT if short else run.FULL, format, load=load))


@app.command()
def sampler(
    pairs: Annotated[int, typer.Option(min=2, help="Stretches with the sampler, and as many without.")] = 30,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a stretch.")] = 1.0,
    device: Annotated[str, typer.Option(help="cpu; cuda: ask the GPU as well.")] = "cpu",
    cpus: Annotated[str | None, typer.Option(help="CPU set of the work, as 1-3. [default: all but one]")] = None,
) -> None:
    """Measure the cost of the sampler.

    Steps run with and without it, interleaved; the result also has its share of a processor.
    """
    from harness.selftest import sampler as test

    raise typer.Exit(test.run(pairs, seconds, device, cpus))


@app.command()
def allocation() -> None:
    """Check the peak that a known pattern of allocations reports.

    The allocations are on the processor.
    """
    from harness.selftest import allocation as test

    raise typer.Exit(test.run())


@app.command()
def faults(
    run: Annotated[str, typer.Argument(help="A run's id, the path of its folder, or `latest`.")] = "latest",
    results: Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")] = Path("results"),
) -> None:
    """Check that twenty faults in the records of a run are found.

    They are put into the records one at a time.
    """
    from harness.selftest import faults as test
    from harness.terminal import streams as terminal

    raise typer.Exit(test.run(run, results, terminal.console()))
