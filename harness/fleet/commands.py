"""`samestep fleet …`: submit, status, logs, cancel, collect; and `task`, which the scheduler starts on a host."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Run one selection on many hosts, through Slurm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(help="The folder of the fleet's run, which `submit` has printed.")]


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(metavar="RUN.toml", help="What to run, and on which types of hosts.")],
    detach: Annotated[bool, typer.Option("--detach", help="Submit and return.")] = False,
) -> None:
    """Submit a run to a cluster, and watch it.

    Everything is checked before anything is submitted. Ctrl-C detaches: the run goes on, and `fleet status --watch`
    watches it again. Exit codes: 0; 1 nothing was submitted; 3 some tasks have no result; 130 detached.
    """
    from harness.fleet import actions

    raise typer.Exit(actions.submit(file, detach=detach))


@app.command()
def status(
    folder: Folder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Until all is over; what was lost is submitted again.")
    ] = False,
) -> None:
    """Say where each task stands: PENDING, RUNNING@host, RETRY n, DONE, ERROR, LOST, each with its reason."""
    from harness.fleet import actions

    raise typer.Exit(actions.watch(folder) if watch else actions.status(folder))


@app.command()
def logs(
    folder: Folder,
    task: Annotated[int | None, typer.Argument(min=1, help="Number of a task. [default: all without a result]")] = None,
) -> None:
    """Print what tasks have printed on their hosts."""
    from harness.fleet import actions

    raise typer.Exit(actions.logs(folder, task))


@app.command()
def cancel(folder: Folder) -> None:
    """End all tasks; results that are there stay, and can be collected."""
    from harness.fleet import actions

    raise typer.Exit(actions.cancel(folder))


@app.command()
def collect(
    folder: Folder,
    results: Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")] = Path("results"),
) -> None:
    """Make ordinary runs of the results: one for each type of hosts, which report, compare and publish take.

    Exit codes: 0; 1 there is no result, or the folder cannot be written; 3 some tasks have no result yet.
    """
    from harness.fleet import actions

    raise typer.Exit(actions.collect(folder, results))


@app.command(hidden=True)
def task(
    folder: Path,
    submission: Annotated[int, typer.Argument(min=1)],
    index: Annotated[int, typer.Argument(min=0)],
) -> None:
    """Run one task; the scheduler calls this on a host."""
    from harness.fleet import task as of_host

    raise typer.Exit(of_host.run(folder, submission, index, of_host.here()))
