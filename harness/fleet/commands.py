"""`samestep fleet …`: submit, status, logs, cancel, collect, simulate; and `task`, which a host is started with."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer

OF_ONE_HOST: Final = ("results", "resume")  # options of `samestep run` that a fleet's run cannot have
Folder = Annotated[Path, typer.Argument(help="The folder of the fleet's run, which `submit` has printed.")]


def app(run: Callable[..., None]) -> typer.Typer:
    """Return the commands; `run` is that of one host, whose options `submit` has beside its own."""
    made = typer.Typer(
        help="Run one selection on many hosts, through Slurm.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.command()(_with_options_of(run, submit))
    for command in (status, logs, cancel, collect, simulate):
        made.command()(command)
    made.command(hidden=True)(task)
    return made


def options(run: Callable[..., None]) -> Mapping[str, inspect.Parameter]:
    """Return the options of `run` that a fleet's run can have, none of which has to be given."""
    found = {}
    for name, option in inspect.signature(run).parameters.items():
        if name not in OF_ONE_HOST:
            kind, info = get_args(option.annotation)
            optional = Annotated[kind | None, info]  # type: ignore[valid-type]  # known when it runs
            found[name] = option.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=None, annotation=optional)
    return found


def _with_options_of(run: Callable[..., None], command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` with the options of `run`; those that were given are its first argument, by name."""
    names = options(run)

    def with_options(**typed: Any) -> None:
        given = {name: value for name in names if (value := typed.pop(name)) is not None and value != []}
        command(given, **typed)

    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(command).parameters.values())[1:]
    ]
    with_options.__signature__ = inspect.Signature([*own, *names.values()])  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in (*own, *names.values())}
    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    return with_options


def submit(
    of_run: Mapping[str, Any],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="RUN.toml", help="What to run, and on which types of hosts; an option wins over it."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Submit and return.")] = False,
    shared: Annotated[Path | None, typer.Option(help="A folder that all hosts see.")] = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE",
            help="A type of hosts, as 'h200 gres=gpu:h200:1 tasks=3'. Repeatable; instead of the file's.",
        ),
    ] = None,
    time_limit: Annotated[int | None, typer.Option(help="Minutes of a task. [default: 240]")] = None,
    scratch: Annotated[str | None, typer.Option(help="Folder of a host for a task's files.")] = None,
    requeue: Annotated[
        bool | None, typer.Option(help="Slurm itself begins a task again whose host it lost. [default: it does]")
    ] = None,
    runner: Annotated[str | None, typer.Option(help="A command that runs each task, as in a container.")] = None,
) -> None:
    """Submit a run to a cluster, and watch it.

    Everything is checked before anything is submitted. What to run is in RUN.toml, in the options of `samestep run`
    below, or in both. Ctrl-C detaches: the run goes on, and `fleet status --watch` watches it again. Exit codes: 0; 1
    nothing was submitted; 3 some tasks have no result; 130 detached.
    """
    from harness.fleet import actions, request

    typed = {
        "shared": None if shared is None else str(shared),
        "hosts": [request.host_table(each) for each in hosts] if hosts else None,
        "time_limit": time_limit,
        "scratch": scratch,
        "requeue": requeue,
        "runner": runner,
        "run": {name: _as_in_a_file(value) for name, value in of_run.items()} or None,
    }
    given = {name: value for name, value in typed.items() if value is not None}
    raise typer.Exit(actions.submit(file, given, detach=detach))


def _as_in_a_file(value: Any) -> Any:
    """Return what was typed as RUN.toml would have it; a path is that of this folder, wherever a task runs."""
    return str(value.absolute()) if isinstance(value, Path) else value


def status(
    folder: Folder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Until all is over; what was lost is submitted again.")
    ] = False,
) -> None:
    """Say where each task stands: PENDING, RUNNING@host, RETRY n, DONE, ERROR, LOST, each with its reason."""
    from harness.fleet import actions

    raise typer.Exit(actions.watch(folder) if watch else actions.status(folder))


def logs(
    folder: Folder,
    task: Annotated[int | None, typer.Argument(min=1, help="Number of a task. [default: all without a result]")] = None,
) -> None:
    """Print what tasks have printed on their hosts."""
    from harness.fleet import actions

    raise typer.Exit(actions.logs(folder, task))


def cancel(folder: Folder) -> None:
    """End all tasks; results that are there stay, and can be collected."""
    from harness.fleet import actions

    raise typer.Exit(actions.cancel(folder))


def collect(
    folder: Folder,
    results: Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")] = Path("results"),
) -> None:
    """Make ordinary runs of the results: one for each type of hosts, which report, compare and publish take.

    Exit codes: 0; 1 there is no result, or the folder cannot be written; 3 some tasks have no result yet.
    """
    from harness.fleet import actions

    raise typer.Exit(actions.collect(folder, results))


def simulate(
    hosts: Annotated[int, typer.Option(min=1, help="Hosts of the cluster.")] = 1000,
    cells: Annotated[int, typer.Option(min=10, help="Cells; ten of them have one workload.")] = 10_000,
) -> None:
    """Play a cluster in virtual time, and say what planning, submitting, watching and collecting cost.

    Two in a hundred tasks lose their host, and as many take ten times as long. Exit codes: 0; 1 a target is missed.
    """
    from harness.fleet import simulation

    raise typer.Exit(simulation.run(hosts, cells))


def task(
    folder: Path,
    submission: Annotated[int, typer.Argument(min=1)],
    index: Annotated[int, typer.Argument(min=0)],
) -> None:
    """Run one task; the scheduler calls this on a host."""
    from harness.fleet import task as of_host

    raise typer.Exit(of_host.run(folder, submission, index, of_host.here()))
