"""The self-test from beginning to end: what is measured, how long each form takes, the table."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from harness import options, progress
from harness.errors import OK, SOME_FAILED
from harness.selftest import clock, faults, outside, pairs, phases
from harness.selftest.checkout import Checkout, checkout
from harness.selftest.figures import Figure, answer, markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How much a form of the self-test runs."""

    clock_blocks: int
    sessions: int
    blocks: int  # of each session
    compile_sessions: int
    compile_blocks: int  # of each of them; the default profile repeats six at most on warm caches
    sampler_pairs: int  # stretches of a second with the sampler, and as many without


# A run with work that is declared and long enough for a limit to bind it, for the seeded faults.
CLEAN: Final = (
    *("--launcher", "venv", "--framework", "jax", "--mode", "jit", "--workload", "mlp", "--size", "S"),
    *("--profile", "quick", "--blocks", "2", "--seed", "50"),
)
SHORT: Final = Form(clock_blocks=3, sessions=10, blocks=3, compile_sessions=1, compile_blocks=5, sampler_pairs=20)
FULL: Final = Form(clock_blocks=10, sessions=10, blocks=20, compile_sessions=5, compile_blocks=5, sampler_pairs=60)


def run(form: Form, format: str | None) -> int:
    """Measure everything and print the table; return the exit code, 3 when a target is missed.

    Raises:
        SelectionError: there is no such format.
        SetupError: a run cannot be made.
    """
    if format is not None:
        options.one_of("format", format, ("md",))
    found = figures(form, progress.say)
    if format == "md":
        sys.stdout.write(markdown(found))
    else:
        table = Table("#", "figure", "target", "found", "met", box=None, header_style="bold", pad_edge=False)
        for one in found:
            table.add_row(str(one.number), one.name, one.target, one.found, answer(one))
        Console(file=sys.stdout).print(table)
    return SOME_FAILED if any(one.met is False for one in found) else OK


def figures(form: Form, say: Callable[[str], None]) -> list[Figure]:
    """Measure everything; raises SetupError when a run cannot be made."""
    with checkout(say) as made:
        return sorted(_figures(made, form), key=lambda one: one.number)


def _figures(made: Checkout, form: Form) -> Iterator[Figure]:
    yield clock.figure(made, form.clock_blocks)
    yield from pairs.figures(pairs.measured(made, form.sessions, form.blocks))
    yield from phases.figures(made, form.compile_sessions, form.compile_blocks)
    yield outside.sampler(form.sampler_pairs)
    yield outside.allocation()
    clean = made.run(*CLEAN)
    yield faults.figure(clean.facts(), clean.records())
