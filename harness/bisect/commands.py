"""`samestep bisect` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import SelectionError
from harness.launchers.choose import AUTO, LAUNCHERS
from harness.plan import request
from harness.plan.profiles import PROFILES
from harness.plan.request import Setting

NEEDED = "bisect needs FRAMEWORK OLDER NEWER and --mode, as in: samestep bisect jax 0.8.0 0.10.2 --mode jit"


def bisect(
    framework: Annotated[
        str | None, typer.Argument(help="Whose versions; the one that its .in file names first.")
    ] = None,
    older: Annotated[str | None, typer.Argument(help="A published version, such as 0.8.0.")] = None,
    newer: Annotated[str | None, typer.Argument(help="A later one.")] = None,
    mode: Annotated[str | None, typer.Option(help="The mode that is measured.")] = None,
    workload: Annotated[str | None, typer.Option(help="A workload. [default: regression]")] = None,
    size: Annotated[str | None, typer.Option(help="A size. [default: the first of the device's]")] = None,
    optimizer: Annotated[str | None, typer.Option(help="An optimizer. [default: the profile's first]")] = None,
    precision: Annotated[str | None, typer.Option(help="A precision. [default: float32]")] = None,
    measure: Annotated[
        str | None, typer.Option(help="step, first-step, memory or bits: what is compared. [default: step]")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help=f"{', '.join(PROFILES)}. [default: {request.DEFAULT_PROFILE}]")
    ] = None,
    device: Annotated[str | None, typer.Option(help=f"{' or '.join(request.DEVICES)}. [default: cpu]")] = None,
    launcher: Annotated[str | None, typer.Option(help=f"One of {', '.join((AUTO, *LAUNCHERS))}.")] = None,
    cpus: Annotated[str | None, typer.Option(help="CPU set of the replicates, as 1-3. [default: all but one]")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Threads of a framework. [default: the CPU set's]")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds one replicate may take.")] = None,
    blocks: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Replicates of each version. [default: the profile's]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the order within the blocks. [default: random]")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this bisection: its id, or its folder.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")] = Path("results"),
) -> None:
    """Find the two published versions between which a difference appears.

    Each measurement is a run in which both ends and some versions between them take turns; the next one lies between
    the nearest two that are told apart. Exit codes: 0 found, or no difference; 1 an error; 130 interrupted.
    """
    from harness.bisect import asked as asking
    from harness.bisect import session

    fields = {"mode": mode, "workload": workload, "size": size, "optimizer": optimizer, "precision": precision}
    if resume is not None:
        others = {"measure": measure, "profile": profile, "device": device, "launcher": launcher, "cpus": cpus,
            "threads": threads, "timeout": timeout, "blocks": blocks, "seed": seed}  # fmt: skip
        given = [name for name, value in {"framework": framework, **fields, **others}.items() if value is not None]
        if given:
            raise SelectionError(f"--resume goes on with what was chosen: leave out {', '.join(given)}.")
        raise typer.Exit(session.resume(results, resume))
    if framework is None or older is None or newer is None or mode is None:
        raise SelectionError(f"{NEEDED}.")
    setting = Setting(
        results=results,
        launcher=launcher,
        cpus=cpus,
        threads=threads,
        timeout_s=request.seconds("--timeout", timeout),
        blocks=blocks,
    )
    chosen = asking.asked(
        framework,
        fields,
        measure=measure or "step",
        profile=profile,
        device=device,
        setting=setting,
        seed=seed,
    )
    raise typer.Exit(session.begin(chosen, older, newer, results))
