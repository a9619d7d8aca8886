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
    format: Annotated[str | None, typer.Option(help="Print as md. [default: a table for people]")] = None,
) -> None:
    """Measure the suite itself and compare with its targets."""
    if context.invoked_subcommand is None:
        from harness.selftest import run

        raise typer.Exit(run.run(run.SHORT if short else run.FULL, format))


@app.command()
def sampler(
    pairs: Annotated[int, typer.Option(min=2, help="Stretches with the sampler, and as many without.")] = 30,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a stretch.")] = 1.0,
    device: Annotated[str, typer.Option(help="cpu; cuda: ask the GPU as well.")] = "cpu",
    cpus: Annotated[str | None, typer.Option(help="CPU set of the work, as 1-3. [default: all but one]")] = None,
) -> None:
    """The cost of the sampler: step time with and without it, interleaved, and its share of a processor."""
    from harness.selftest import sampler as test

    raise typer.Exit(test.run(pairs, seconds, device, cpus))


@app.command()
def allocation() -> None:
    """Whether the peak of a known pattern of allocations on the processor is reported."""
    from harness.selftest import allocation as test

    raise typer.Exit(test.run())


@app.command()
def faults(
    run: Annotated[str, typer.Argument(help="A run's id, the path of its folder, or `latest`.")] = "latest",
    results: Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")] = Path("results"),
) -> None:
    """Whether twenty faults, put into the records of a run one at a time, are found."""
    from rich.console import Console

    from harness.selftest import faults as test

    raise typer.Exit(test.run(run, results, Console()))
