"""samestep: two processes take turns, and the t interval is over fresh pairs of processes."""

import importlib.metadata
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from bench.records.record import Timing
from harness.peers.steps import Variant
from harness.peers.tool import Known, OutOfTimeError, Programs, end_politely, failed, until_known
from harness.standalone.alternate import FreeRunning, Round, timing_of
from harness.stats import alternation
from harness.stats.estimate import estimate, verdict

SLICES: Final = 24  # of each of the two processes
SLICE_S: Final = 0.06
PATIENCE_S: Final = 20.0  # for a last round

Pair = Callable[[Variant, Variant, float], float | None]


class Samestep:
    """Repeats `pair` until the interval over the pairs is narrow enough; different: it lies outside ±1 %."""

    name = "samestep"

    def __init__(self, pair: Pair) -> None:
        """Take the ratio of one fresh pair of processes from `pair`, `samestep_ratio` with its programs."""
        self._pair = pair

    def version(self) -> str:
        """Return the version of this checkout."""
        return importlib.metadata.version("samestep")

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Measure pairs of fresh processes until the ratio is known."""
        return until_known(lambda: self._pair(a, b, deadline_s), _known)


def _known(ratios: Sequence[float], wall_s: float) -> Known | None:
    if len(ratios) < 2:
        return None
    found = estimate(ratios)
    assert found.half_width is not None
    return Known(
        ratio=found.value,
        half_width=found.half_width,
        is_different=verdict(found) in ("faster", "slower"),
        wall_s=wall_s,
    )


def samestep_ratio(programs: Programs, a: Variant, b: Variant, deadline_s: float) -> float | None:
    """Return the time of B ÷ the time of A from one fresh pair of processes that take turns; None: too few rounds.

    Raises:
        OutOfTimeError: the deadline passed.
        SetupError: a process failed.
    """
    rng = random.Random(time.monotonic_ns())
    sides: list[_Side] = []
    try:
        for name, variant in rng.sample((("a", a), ("b", b)), 2):  # warm one after the other, then stopped
            sides.append(_Side(programs, name, variant))
            sides[-1].turns.start()
        for _ in range(SLICES):
            if time.monotonic() > deadline_s:
                raise OutOfTimeError
            for side in rng.sample(sides, 2):
                side.turns.run_slice(SLICE_S)
    finally:
        for side in sides:
            side.end()
    timings = {side.name: side.timing() for side in sides}
    one, other = timings["b"], timings["a"]
    return alternation.ratio(one, other) if one and other else None


class _Side:
    """A process of one variant."""

    def __init__(self, programs: Programs, name: str, variant: Variant) -> None:
        self.name = name
        self._output = programs.scratch / f"alternated-{name}"
        self._command = programs.command("alternated", variant.step, str(variant.inner))
        self._process = programs.start(self._command, self._output)
        self.turns = FreeRunning(
            self._process.pid,
            is_ready=lambda: "rounds\n" in self._said(),
            has_ended=lambda: self._process.poll() is not None,
        )

    def end(self) -> None:
        """Let it print its rounds and end."""
        self.turns.finish()
        end_politely(self._process, PATIENCE_S)

    def timing(self) -> Timing | None:
        """Return its rounds in its slices; raises SetupError when it failed."""
        if '{"rounds"' not in self._said():
            raise failed(self._command, self._said())
        found = json.loads(self._said().splitlines()[-1])["rounds"]
        rounds = [Round(begin_ns=begin, end_ns=end, steps=calls, cpu_ns=cpu) for begin, end, calls, cpu in found]
        return timing_of(rounds, self.turns.windows)

    def _said(self) -> str:
        return self._output.read_text(errors="replace")
