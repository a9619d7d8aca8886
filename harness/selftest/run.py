"""The self-test from beginning to end: what is measured, how long each form takes, the table."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.errors import INTERRUPTED, OK, SOME_FAILED, SamestepError
from harness.plan import request
from harness.run import progress
from harness.selftest import clock, faults, outside, pairs, phases
from harness.selftest.checkout import Checkout, checkout
from harness.selftest.figures import Figure, answer, markdown
from harness.store.folder import RunFolder


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

    A part that cannot be measured is a line with the reason; after Ctrl-C the lines so far are printed.

    Raises:
        SelectionError: there is no such format.
        SetupError: NumPy's environment cannot be made.
    """
    if format is not None:
        request.one_of("format", format, ("md",))
    found: list[Figure] = []
    try:
        with checkout(progress.say if format is None else _aside) as made:
            for number, name, part in parts(made, form):
                found += measured(number, name, part)
    except KeyboardInterrupt:
        _show(found, format)
        return INTERRUPTED
    _show(found, format)
    return SOME_FAILED if any(one.met is False for one in found) else OK


Part = Callable[[], Iterable[Figure]]


def parts(made: Checkout, form: Form) -> tuple[tuple[int, str, Part], ...]:
    """Return what is measured: the number of its first figure, its name, and how."""
    return (
        (1, "independent clock", lambda: (clock.figure(made, form.clock_blocks),)),
        (2, "sessions and pairs", lambda: pairs.figures(pairs.measured(made, form.sessions, form.blocks))),
        (6, "cost of the sampler", lambda: (outside.sampler(form.sampler_pairs),)),
        (8, "allocation pattern", lambda: (outside.allocation(),)),
        (9, "phases and costs", lambda: phases.figures(made, form.compile_sessions, form.compile_blocks)),
        (11, "gate: seeded faults", lambda: (_gate(made.run(*CLEAN)),)),
    )


def measured(number: int, name: str, part: Part) -> list[Figure]:
    """Return the figures of one part; where it cannot be measured a line that says why."""
    try:
        return list(part())
    except SamestepError as error:
        return [Figure(number=number, name=name, target="", found=f"not measured: {error}", met=False, how="")]


def _gate(clean: RunFolder) -> Figure:
    return faults.figure(clean.facts(), clean.records())


def _show(found: Sequence[Figure], format: str | None) -> None:
    told = sorted(found, key=lambda one: one.number)
    if format == "md":
        sys.stdout.write(markdown(told))
        return
    table = Table("#", "figure", "target", "found", "met", box=None, header_style="bold", pad_edge=False)
    for one in told:
        table.add_row(str(one.number), one.name, one.target, escape(one.found), answer(one))
    Console(file=sys.stdout).print(table)


def _aside(line: str) -> None:
    """Say it where it does not get into the table that a file may be made of."""
    print(line, file=sys.stderr, flush=True)
