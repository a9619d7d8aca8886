"""`samestep bisect` as it is typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from harness.errors import SelectionError
from harness.launchers.choose import AUTO, LAUNCHERS
from harness.plan import request
from harness.plan.profiles import PROFILES
from harness.plan.request import Setting

NEEDED: Final = "bisect needs FRAMEWORK OLDER NEWER and --mode, as in: samestep bisect jax 0.8.0 0.10.2 --mode jit"

Framework = Annotated[str | None, typer.Argument(help="Whose versions; those of the package that its .in names first.")]
Older = Annotated[str | None, typer.Argument(help="A published version, such as 0.8.0.")]
Newer = Annotated[str | None, typer.Argument(help="A later one.")]
Mode = Annotated[str | None, typer.Option(help="The mode that is measured.")]
Workload = Annotated[str | None, typer.Option(help="A workload. [default: regression]")]
Size = Annotated[str | None, typer.Option(help="A size. [default: the first of the device's]")]
Optimizer = Annotated[str | None, typer.Option(help="An optimizer. [default: the profile's first]")]
Precision = Annotated[str | None, typer.Option(help="A precision. [default: float32]")]
Measured = Annotated[
    str | None, typer.Option(help="step, first-step, memory or bits: what is compared. [default: step]")
]
ProfileName = Annotated[str | None, typer.Option(help=f"{', '.join(PROFILES)}. [default: {request.DEFAULT_PROFILE}]")]
Device = Annotated[str | None, typer.Option(help=f"{' or '.join(request.DEVICES)}. [default: cpu]")]
Launcher = Annotated[str | None, typer.Option(help=f"One of {', '.join((AUTO, *LAUNCHERS))}.")]
Cpus = Annotated[str | None, typer.Option(help="CPU set of the replicates, as 1-3. [default: all but one]")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=10_000, help="Threads of a framework. [default: the CPU set's]")
]
Timeout = Annotated[float | None, typer.Option(help="Seconds one replicate may take.")]
Blocks = Annotated[
    int | None, typer.Option(min=1, max=10_000, help="Replicates of each version. [default: the profile's]")
]
Seed = Annotated[int | None, typer.Option(help="Seed of the order within the blocks. [default: random]")]
Resume = Annotated[str | None, typer.Option(help="Go on with this bisection: its id, or its folder.")]
Results = Annotated[Path, typer.Option(help="Folder of the runs.", envvar="SAMESTEP_RESULTS")]


def bisect(
    framework: Framework = None,
    older: Older = None,
    newer: Newer = None,
    mode: Mode = None,
    workload: Workload = None,
    size: Size = None,
    optimizer: Optimizer = None,
    precision: Precision = None,
    measure: Measured = None,
    profile: ProfileName = None,
    device: Device = None,
    launcher: Launcher = None,
    cpus: Cpus = None,
    threads: Threads = None,
    timeout: Timeout = None,
    blocks: Blocks = None,
    seed: Seed = None,
    resume: Resume = None,
    results: Results = Path("results"),
) -> None:
    """Find the two published versions between which a difference appears.

    Each measurement is a run in which both ends and some versions between them take turns; the next one lies between
    the nearest two that are told apart. Exit codes: 0 found, or no difference; 1 an error; 130 interrupted.
    """
    from harness.bisect import asked as asking
    from harness.bisect import session

    fields = {"mode": mode, "workload": workload, "size": size, "optimizer": optimizer, "precision": precision}
    named = {"profile": profile, "device": device}
    setting = Setting(
        results=results,
        launcher=launcher,
        cpus=cpus,
        threads=threads,
        timeout_s=request.seconds("--timeout", timeout),
        blocks=blocks,
    )
    if resume is not None:
        others = {"launcher": launcher, "cpus": cpus, "threads": threads, "timeout": timeout, "blocks": blocks}
        _require_none({"framework": framework, **fields, **named, "measure": measure, "seed": seed, **others})
        raise typer.Exit(session.resume(results, resume))
    if framework is None or older is None or newer is None or mode is None:
        raise SelectionError(f"{NEEDED}.")
    chosen = asking.asked(framework, fields, measure=measure or "step", **named, setting=setting, seed=seed)
    raise typer.Exit(session.begin(chosen, older, newer, results))


def _require_none(options: Mapping[str, object]) -> None:
    if given := [name for name, value in options.items() if value is not None]:
        raise SelectionError(f"--resume goes on with what was chosen: leave out {', '.join(given)}.")
