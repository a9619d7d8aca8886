"""samestep: two processes take turns, and the t interval is over fresh pairs of processes."""

import contextlib
import importlib.metadata
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from harness.peers.steps import Variant
from harness.peers.tool import Known, OutOfTimeError, Programs, end_politely, failed
from harness.standalone.alternate import Round, Side, alternate, ratio
from harness.stats.estimate import estimate, verdict

ALTERNATING_S: Final = 4.0  # of one pair of processes
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
        begin_s = time.monotonic()
        ratios: list[float] = []
        known: Known | None = None
        with contextlib.suppress(OutOfTimeError):
            while not (known and known.is_within):
                one = self._pair(a, b, deadline_s)
                ratios += [one] if one else []
                if len(ratios) > 1:
                    known = _known(ratios, time.monotonic() - begin_s)
        return known


def _known(ratios: list[float], wall_s: float) -> Known:
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
    outputs = [programs.scratch / f"alternated-{name}" for name in "ba"]
    commands = [programs.command("alternated", each.step, str(each.inner)) for each in (b, a)]
    processes = [programs.start(command, output) for command, output in zip(commands, outputs, strict=True)]
    sides = [_side(process.pid, output) for process, output in zip(processes, outputs, strict=True)]
    until_s: list[float] = []

    def has_ended() -> bool:
        if not until_s and all(side.is_ready() for side in sides):
            until_s.append(time.monotonic() + ALTERNATING_S)
        is_late = time.monotonic() > min(deadline_s, *until_s, deadline_s)
        return is_late or any(process.poll() is not None for process in processes)

    try:
        slices = alternate(sides[0], sides[1], has_ended)
    finally:
        for process in processes:
            end_politely(process, PATIENCE_S)
    if time.monotonic() > deadline_s:
        raise OutOfTimeError
    rounds = []
    for command, output in zip(commands, outputs, strict=True):
        said = output.read_text(errors="replace")
        if '{"rounds"' not in said:
            raise failed(command, said)
        rounds.append(_rounds(said))
    return ratio(slices, (rounds[0], rounds[1]))


def _side(pid: int, output: Path) -> Side:
    return Side(
        process=lambda: psutil.Process(pid) if psutil.pid_exists(pid) else None,
        is_ready=lambda: "rounds\n" in output.read_text(errors="replace"),
    )


def _rounds(said: str) -> list[Round]:
    found = json.loads(said.splitlines()[-1])["rounds"]
    return [Round(begin_ns=begin, end_ns=end, steps=calls) for begin, end, calls in found]
