"""Two processes that take turns on the same processors, and the ratio of their times.

On a shared machine a processor may be half as fast for a second, and fast again. Two processes measured one after the
other then differ by a factor of two. Two processes that are stopped and continued in turn meet the same slow seconds:
each slice of one is compared with the next slice of the other, and the median of these ratios is the result.
"""

import contextlib
import os
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.turns.turn import TURN_FILE, last_phase, turn_from_json

LOOK_S: Final = 0.005  # between two checks whether a process has begun its rounds
SLICE_S: Final = 0.1  # the shortest turn
GROWTH: Final = (
    0.1  # a turn lasts this share of the time since the first, so that in the end rounds of any length fit into one
)
LEAST_RATIOS: Final = 5  # of neighbouring slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One timed round; both times by the monotonic clock that all processes of a host share."""

    begin_ns: int
    end_ns: int
    steps: int

    @property
    def step_ns(self) -> float:
        """Time per step, in ns."""
        return (self.end_ns - self.begin_ns) / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A stretch of time in which one of the two ran."""

    side: int  # 0 or 1
    begin_ns: int
    end_ns: int

    def step_ns(self, rounds: Sequence[Round]) -> float | None:
        """Return the median of the `rounds` that began and ended in it; None: there is none."""
        whole = [each.step_ns for each in rounds if self.begin_ns <= each.begin_ns and each.end_ns <= self.end_ns]
        return statistics.median(whole) if whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two processes."""

    process: Callable[[], psutil.Process | None]  # leads its own process group; None: not started yet, or ended
    is_ready: Callable[[], bool]  # it has begun its rounds

    def send(self, number: signal.Signals) -> None:
        """Stop or continue the process and what it started."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)


def alternate(one: Side, other: Side, ended: Callable[[], bool]) -> list[Slice]:
    """Let the first that begins its rounds wait for the other, then continue them in turn until one has `ended`.

    Returns the slices: which of the two ran when.
    """
    slices: list[Slice] = []
    try:
        while not ended() and not (one.is_ready() and other.is_ready()):
            for side in (one, other):
                if side.is_ready():
                    side.send(signal.SIGSTOP)
            time.sleep(LOOK_S)
        while not ended():
            number = len(slices) % 2
            side = (one, other)[number]
            side.send(signal.SIGCONT)
            begin_ns = time.perf_counter_ns()
            time.sleep(max(SLICE_S, GROWTH * (begin_ns - slices[0].begin_ns) / 1e9 if slices else 0.0))
            slices.append(Slice(side=number, begin_ns=begin_ns, end_ns=time.perf_counter_ns()))
            side.send(signal.SIGSTOP)
    finally:
        for side in (one, other):
            side.send(signal.SIGCONT)
    return slices


def ratio(slices: Sequence[Slice], rounds: tuple[Sequence[Round], Sequence[Round]]) -> float | None:
    """Return how many times as long a step of side 0 takes as one of side 1; None: too few rounds to tell."""
    steps = [each.step_ns(rounds[each.side]) for each in slices]
    ratios = []
    for left, right, first in zip(steps, steps[1:], slices, strict=False):
        if left is not None and right is not None:
            ratios.append(left / right if first.side == 0 else right / left)
    return statistics.median(ratios) if len(ratios) >= LEAST_RATIOS else None


def slope_ratio(slices: Sequence[Slice], rounds: tuple[Sequence[Round], Sequence[Round]]) -> float | None:
    """Return the same for fits of N and of 2N steps by both sides, whose step is the slope between the two.

    Slopes are small differences of long fits, and a change of the machine's speed may affect only one of two fits. So
    fits of one length are compared with fits of that length, r(N) and r(2N), and with q = T(2N) / T(N) of side 1 the
    ratio of the slopes is (r(2N) q - r(N)) / (q - 1). None: too few rounds to tell.
    """
    lengths = sorted({each.steps for each in rounds[1]})
    once, twice = (ratio(slices, (_of(rounds[0], steps), _of(rounds[1], steps))) for steps in lengths)
    if once is None or twice is None:
        return None
    lengthening = [
        (right.end_ns - right.begin_ns) / (left.end_ns - left.begin_ns)
        for left, right in zip(rounds[1], rounds[1][1:], strict=False)
        if left.steps < right.steps
    ]
    q = statistics.median(lengthening)
    return (twice * q - once) / (q - 1)


class Turns:
    """The turn that runs under a process, as a side."""

    def __init__(self, pid: int) -> None:
        self._parent = psutil.Process(pid)

    def side(self) -> Side:
        """Return the turn as a side."""
        return Side(process=lambda: self._child()[0], is_ready=lambda: self._phase() == "rounds")

    def _phase(self) -> str:
        folder = self._child()[1]
        return last_phase(folder) if folder else ""

    def _child(self) -> tuple[psutil.Process | None, Path | None]:
        with contextlib.suppress(psutil.Error, OSError):  # it ended meanwhile
            for child in self._parent.children():
                match child.cmdline()[1:]:
                    case ["-m", "bench", "turn", folder]:
                        if turn_from_json((Path(folder) / TURN_FILE).read_text()).cell.track == "identical":
                            return child, Path(folder)
        return None, None


def _of(rounds: Sequence[Round], steps: int) -> list[Round]:
    return [each for each in rounds if each.steps == steps]
