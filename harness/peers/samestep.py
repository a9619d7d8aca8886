"""samestep: several processes of each variant take turns, and the interval is over processes."""

import bisect
import contextlib
import importlib.metadata
import json
import math
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records.record import Timing
from harness.peers.steps import Variant
from harness.peers.tool import Known, OutOfTimeError, Programs, end_politely, failed
from harness.standalone.alternate import LOOK_S, FreeRunning, Round, Window, timing_of
from harness.stats import alternation
from harness.stats.distributions import student_quantile
from harness.stats.estimate import ALPHA, Estimate, Interval, verdict

PROCESSES: Final = 2  # of each variant, in one group
SLICES: Final = 10  # of each process: more of them leave time for fewer processes
SLICE_S: Final = 0.05  # at least
ROUNDS: Final = 6  # of the slowest process that fit into a slice
FEWEST: Final = 5  # slices of each process in which one of the other variant had a round, too
POLISHES: Final = 20
PATIENCE_S: Final = 20.0  # for a last round


@dataclass(frozen=True, slots=True)
class Group:
    """Logarithms of the times per call of processes that took turns, less the group's mean."""

    a: tuple[float, ...]  # one value for each process
    b: tuple[float, ...]


Measure = Callable[[Variant, Variant, float], Group | None]


class Samestep:
    """Measures groups of fresh processes until the interval is narrow enough; different: it lies outside ±1 %."""

    name = "samestep"

    def __init__(self, measure: Measure) -> None:
        """Take one group of fresh processes from `measure`, `measured_group` with its programs."""
        self._measure = measure

    def version(self) -> str:
        """Return the version of this checkout."""
        return importlib.metadata.version("samestep")

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Measure groups of fresh processes until the ratio is known."""
        begin_s = time.monotonic()
        groups: list[Group] = []
        known: Known | None = None
        with contextlib.suppress(OutOfTimeError):
            while not (known and known.is_within):
                group = self._measure(a, b, deadline_s)
                groups += [group] if group else []
                known = _known(groups, time.monotonic() - begin_s) if groups else None
        return known


def together(groups: Sequence[Group]) -> Estimate:
    """Return the time of B ÷ the time of A: two-sample t with a pooled variance, groups as strata.

    A process has its own level, for its life: the process is the unit, as everywhere in samestep. What the machine did
    while they took turns is the same for all of a group, and drops out of the difference of its two means.
    """
    log = statistics.fmean(statistics.fmean(group.b) - statistics.fmean(group.a) for group in groups)
    sides = [side for group in groups for side in (group.a, group.b)]
    freedom = sum(len(side) - 1 for side in sides)
    squares = math.fsum((value - statistics.fmean(side)) ** 2 for side in sides for value in side)
    error = math.sqrt(squares / freedom * math.fsum(1 / len(side) for side in sides)) / len(groups)
    half = student_quantile(1 - ALPHA / 2, freedom=freedom) * error
    return Estimate(
        value=math.exp(log), interval=Interval(low=math.exp(log - half), high=math.exp(log + half)), count=len(sides)
    )


def _known(groups: Sequence[Group], wall_s: float) -> Known:
    found = together(groups)
    assert found.half_width is not None
    return Known(
        ratio=found.value,
        half_width=found.half_width,
        is_different=verdict(found) in ("faster", "slower"),
        wall_s=wall_s,
    )


def measured_group(programs: Programs, a: Variant, b: Variant, deadline_s: float) -> Group | None:
    """Return what one group of fresh processes that take turns says; None: too few rounds.

    Raises:
        OutOfTimeError: the deadline passed.
        SetupError: a process failed.
    """
    rng = random.Random(time.monotonic_ns())
    variants = [(f"{name}{number}", variant) for number in range(PROCESSES) for name, variant in (("a", a), ("b", b))]
    sides: list[_Side] = []
    try:
        _start_side_by_side(programs, rng.sample(variants, len(variants)), sides, deadline_s)
        slice_s = length_of_slice([side.round_s() for side in sides])
        for _ in range(SLICES):
            _require_time(deadline_s)
            for side in rng.sample(sides, len(sides)):
                side.turns.run_slice(slice_s)
    finally:
        for side in sides:
            side.end()
    by_slice = {side.name: side.by_slice() for side in sides}
    return group_of(by_slice)


def _start_side_by_side(
    programs: Programs, variants: Sequence[tuple[str, Variant]], sides: list["_Side"], deadline_s: float
) -> None:
    """Start a process of each variant, one on each processor at a time, until all are warm and stopped.

    Nothing is measured while they start, so they need not wait for one another. Each has one processor from its first
    instruction on, as frameworks size their thread pools by it; a stopped one is moved to where is measured.
    `sides` gets each as it starts, so that the caller can end it whatever happens.
    """
    waiting, starting = list(variants), dict[int, _Side]()
    while waiting or starting:
        _require_time(deadline_s)
        for cpu in programs.usable:
            if cpu in starting and starting[cpu].turns.stop_when_ready():
                starting.pop(cpu).move_to(programs.cpus)
            if cpu not in starting and waiting:
                starting[cpu] = _Side(programs, *waiting.pop(0), cpu=cpu)
                sides.append(starting[cpu])
        time.sleep(LOOK_S)


def length_of_slice(rounds_s: Sequence[float]) -> float:
    """Return how long each process runs in its turn, in s, so that the slowest has some whole rounds."""
    return max(SLICE_S, ROUNDS * max(rounds_s))


def group_of(by_slice: Mapping[str, Mapping[int, float]]) -> Group | None:
    """Return the group of processes whose names begin with "a" or "b", from their times by number of the slice.

    The logarithm of a time is the level of its process plus what the machine did in its slice; both are found in turn,
    as in Tukey's median polish (1977). A slice in which a process had no undisturbed round tells of the others.
    None: a process shared fewer than FEWEST slices with a process of the other variant.
    """
    logs = {name: {at: math.log(time) for at, time in times.items()} for name, times in by_slice.items()}
    sides = [{at for name, times in logs.items() if name.startswith(first) for at in times} for first in "ab"]
    shared = sorted(set.intersection(*sides))
    if any(sum(at in times for at in shared) < FEWEST for times in logs.values()):
        return None
    levels = dict.fromkeys(logs, 0.0)
    for _ in range(POLISHES):
        effects = {
            at: statistics.fmean(times[at] - levels[name] for name, times in logs.items() if at in times)
            for at in shared
        }
        levels = {
            name: statistics.median(times[at] - effects[at] for at in shared if at in times)
            for name, times in logs.items()
        }
    of = {first: tuple(level for name, level in levels.items() if name.startswith(first)) for first in "ab"}
    return Group(a=of["a"], b=of["b"])


def _require_time(deadline_s: float) -> None:
    if time.monotonic() > deadline_s:
        raise OutOfTimeError


class _Side:
    """A process of one variant."""

    def __init__(self, programs: Programs, name: str, variant: Variant, cpu: int) -> None:
        self.name = name
        self._output = programs.scratch / f"alternated-{name}"
        self._command = programs.command("alternated", variant.step, str(variant.inner))
        self._process = programs.start(self._command, self._output, (cpu,))
        self.turns = FreeRunning(
            self._process.pid,
            is_ready=lambda: self.round_s() > 0,
            has_ended=lambda: self._process.poll() is not None,
        )

    def round_s(self) -> float:
        """Return how long a round takes by its own word, in s; 0 as long as it is not warm."""
        found = re.search(r"^rounds (\d+\.\d+)\n", self._said(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def move_to(self, cpus: Sequence[int]) -> None:
        """Let all its threads run on `cpus` from now on; one that has ended stays where it was."""
        for thread in Path(f"/proc/{self._process.pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cpus)

    def end(self) -> None:
        """Let it print its rounds and end."""
        self.turns.finish()
        end_politely(self._process, PATIENCE_S)

    def by_slice(self) -> dict[int, float]:
        """Return the time per call in ns in each of its slices, by the slice's number; SetupError when it failed."""
        if '{"rounds"' not in self._said():
            raise failed(self._command, self._said())
        found = json.loads(self._said().splitlines()[-1])["rounds"]
        rounds = [Round(begin_ns=begin, end_ns=end, steps=calls, cpu_ns=cpu) for begin, end, calls, cpu in found]
        timing = timing_of(rounds, self.turns.windows)
        return {} if timing is None else times_by_slice(timing, self.turns.windows)

    def _said(self) -> str:
        return self._output.read_text(errors="replace")


def times_by_slice(timing: Timing, windows: Sequence[Window]) -> dict[int, float]:
    """Return the median time per call in ns of each slice that has a round, by the number of its window."""
    begins = [window.begin_ns for window in windows]
    return {
        bisect.bisect_right(begins, each.begin_ns) - 1: each.round_ns / timing.steps_per_round
        for each in alternation.slices(timing)
    }
