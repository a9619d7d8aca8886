"""The whole self-test: its parts, its two forms (short and full), its table."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.markup import escape
from rich.table import Table

from harness.errors import INTERRUPTED, OK, SOME_FAILED, SamestepError
from harness.host import planted, processors
from harness.plan import request
from harness.run import progress
from harness.selftest import clock, faults, outside, pairs, phases
from harness.selftest.checkout import Checkout, checkout
from harness.selftest.figures import Figure, answer, markdown
from harness.store.folder import RunFolder
from harness.terminal import streams as terminal

Part = Callable[[], Iterable[Figure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How much one form of the self-test runs."""

    clock_blocks: int
    sessions: int
    blocks: int  # of each session
    compile_sessions: int
    compile_blocks: int  # of each of them; the default profile repeats six at most on warm caches
    sampler_pairs: int  # of a second with the sampler and a second without


# A run with work that is declared and long enough for a limit to bind it, for the seeded faults.
CLEAN: Final = (
    *("--launcher", "venv", "--framework", "jax", "--mode", "jit", "--workload", "mlp", "--size", "S"),
    *("--profile", "quick", "--blocks", "2", "--seed", "50"),
)
SHORT: Final = Form(clock_blocks=3, sessions=8, blocks=3, compile_sessions=1, compile_blocks=5, sampler_pairs=20)
FULL: Final = Form(clock_blocks=10, sessions=10, blocks=20, compile_sessions=5, compile_blocks=5, sampler_pairs=60)


def run(form: Form, format: str | None, *, load: bool = False) -> int:
    """Measure everything and print the table; return the exit code, 3 when a target is missed.

    With `load`, while another process keeps the last core half busy.

    A part that cannot be measured is a line with the reason; after Ctrl-C the lines so far are printed.

    Raises:
        SelectionError: there is no such format.
        SetupError: NumPy's environment cannot be made.
    """
    if format is not None:
        request.one_of("format", format, ("md",))
    figures: list[Figure] = []
    try:
        with contextlib.ExitStack() as stack:
            copy = stack.enter_context(checkout(progress.say if format is None else _to_stderr))
            if load:
                stack.enter_context(planted.load(processors.default_cpus()))
            for number, name, part in parts(copy, form):
                figures += measured(number, name, part)
    except KeyboardInterrupt:
        _show(figures, format)
        return INTERRUPTED
    _show(figures, format)
    return SOME_FAILED if any(figure.met is False for figure in figures) else OK


def parts(copy: Checkout, form: Form) -> tuple[tuple[int, str, Part], ...]:
    """Return what is measured: the number of its first figure, its name, and how."""
    return (
        (1, "independent clock", lambda: (clock.figure(copy, form.clock_blocks),)),
        (2, "sessions and pairs", lambda: pairs.figures(pairs.measured(copy, form.sessions, form.blocks))),
        (6, "cost of the sampler", lambda: (outside.sampler(form.sampler_pairs),)),
        (8, "allocation pattern", lambda: (outside.allocation(),)),
        (9, "phases and costs", lambda: phases.figures(copy, form.compile_sessions, form.compile_blocks)),
        (11, "gate: seeded faults", lambda: (_gate(copy.run(*CLEAN)),)),
    )


def measured(number: int, name: str, part: Part) -> list[Figure]:
    """Return the figures of one part; where it cannot be measured a line that says why."""
    try:
        return list(part())
    except SamestepError as error:
        return [Figure(number=number, name=name, target="", found=f"not measured: {error}", met=False, how="")]


def _gate(clean: RunFolder) -> Figure:
    return faults.figure(clean.facts(), clean.records())


def _show(figures: Sequence[Figure], format: str | None) -> None:
    in_order = sorted(figures, key=lambda figure: figure.number)
    if format == "md":
        sys.stdout.write(markdown(in_order))
        return
    table = Table("#", "figure", "target", "found", "met", box=None, header_style="bold", pad_edge=False)
    for figure in in_order:
        table.add_row(str(figure.number), figure.name, figure.target, escape(figure.found), answer(figure))
    terminal.console().print(table)


def _to_stderr(line: str) -> None:
    """Print progress to standard error, so that standard output has the table alone."""
    print(line, file=sys.stderr, flush=True)
