"""`samestep loop` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from bench.catalogue import PERIODS
from harness.plan.selection import ALL


def loop(
    framework: Annotated[str | None, typer.Option(help="Frameworks, separated by commas. [default: today's]")] = None,
    era: Annotated[str | None, typer.Option(help=f"Of the past, too: {', '.join((ALL, *PERIODS))}.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the table, and all that was timed, into this folder.")
    ] = None,
) -> None:
    """Look into a loop: what its products cost, and where a debugger stops.

    Five times x ← x · W, with every product wanted, in each framework and form: the time with them and without, lines
    of code, and whether a breakpoint in the loop is hit. Exit codes: 0; 1 an unknown name; 3 a program failed.
    """
    from harness.loops import session

    raise typer.Exit(session.main(framework=framework, era=era, output=output))
