"""`samestep selftest …`: one command for each figure; each is in the module that it calls."""

from typing import Annotated

import typer

app = typer.Typer(
    help="Measure the suite itself, against the figures that it has to keep.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def sampler(
    pairs: Annotated[int, typer.Option(min=2, help="Stretches with the sampler, and as many without.")] = 30,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of a stretch.")] = 1.0,
    device: Annotated[str, typer.Option(help="cpu; cuda: ask the GPU as well.")] = "cpu",
    cpus: Annotated[str | None, typer.Option(help="CPU set of the work, as 1-3. [default: all but one]")] = None,
) -> None:
    """What the sampler costs: step time with it and without, interleaved, and its share of a processor."""
    from harness.selftest import sampler as test

    raise typer.Exit(test.run(pairs, seconds, device, cpus))


@app.command()
def allocation() -> None:
    """Whether a known pattern of allocations is reported with its peak, on the processor."""
    from harness.selftest import allocation as test

    raise typer.Exit(test.run())
