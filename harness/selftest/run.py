"""The self-test from beginning to end: what is measured, how long each form takes, the table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from harness.selftest import clock, pairs, phases
from harness.selftest.checkout import Checkout, checkout
from harness.selftest.figures import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How much a form of the self-test runs."""

    clock_blocks: int
    sessions: int
    blocks: int  # of each session
    compile_sessions: int
    compile_blocks: int  # of each of them; the default profile repeats six at most on warm caches


SHORT: Final = Form(clock_blocks=3, sessions=10, blocks=3, compile_sessions=1, compile_blocks=5)
FULL: Final = Form(clock_blocks=10, sessions=10, blocks=20, compile_sessions=5, compile_blocks=5)


def figures(form: Form, say: Callable[[str], None]) -> list[Figure]:
    """Measure everything; raises SetupError when a run cannot be made."""
    with checkout(say) as made:
        return sorted(_figures(made, form), key=lambda one: one.number)


def _figures(made: Checkout, form: Form) -> Iterator[Figure]:
    yield clock.figure(made, form.clock_blocks)
    yield from pairs.figures(pairs.measured(made, form.sessions, form.blocks))
    yield from phases.figures(made, form.compile_sessions, form.compile_blocks)
