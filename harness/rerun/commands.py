"""`samestep rerun`: the command line of it."""

from pathlib import Path
from typing import Annotated

import typer


def rerun(
    run: Annotated[str, typer.Argument(help="A run's id, the path of its folder, or `latest`.")],
    results: Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")] = Path("results"),
) -> None:
    """Make a run again, from its folder alone.

    Selection, profile, seed, blocks, number of processors, variables and the locks of all environments are those of the
    run. Sentences say where the code or the host is another. Exit codes: as samestep run.
    """
    from harness.rerun import again

    raise typer.Exit(again.rerun(run, results))
