"""The cost of the sampler: one process steps all the time, while the sampler is switched on and off.

    on off │ off on │ off on │ …     pairs of neighbouring stretches, in random order within the pair

A slow drift affects both stretches of a pair alike. Each stretch gives its median step, as a replicate gives its median
round, and each pair a ratio; the interval is over the pairs. The sampler looks as in the timed rounds, where it reads
the least.
"""

import bisect
import itertools
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.turns import variables
from bench.turns.turn import PHASE_FILE
from harness.environments import checkout
from harness.errors import OK, SOME_FAILED, SetupError
from harness.host import gpus, processors
from harness.run import progress
from harness.samplers.base import UNDISTURBED
from harness.samplers.observer import Observer
from harness.stats.distributions import student_quantile

MOST_CHANGE: Final = 0.005  # of the step
MOST_CHANGE_NS: Final = 1000.0
MOST_CPU: Final = 0.01  # of one processor
CONFIDENCE: Final = 0.95
SETTLE_S: Final = 1.0  # before the first stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which the sampler was on, or off."""

    on: bool
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of the sampler."""

    pairs: int
    step_ns: float  # median step without it
    change: float  # relative, of a step with it: 0.01 is 1 % longer
    low: float  # of its interval
    high: float
    cpu_share: float  # of one processor, while it was on

    @property
    def change_ns(self) -> float:
        """By how much a step becomes longer."""
        return self.change * self.step_ns

    def verdict(self) -> str:
        """Return "met", "missed" or "undetermined": the interval covers both."""
        limit = min(MOST_CHANGE, MOST_CHANGE_NS / self.step_ns)
        if self.low > limit or self.cpu_share > MOST_CPU:
            return "missed"
        return "met" if self.high <= limit else "undetermined"


def run(pairs: int, seconds: float, device: str, cpus: str | None) -> int:
    """Measure, print, and return the exit code: 3 when the target is missed."""
    chosen = processors.cpu_set(cpus) if cpus else processors.default_cpus()
    progress.say(f"{pairs} pairs of {seconds:g} s on CPU {','.join(map(str, chosen))}: {2 * pairs * seconds:.0f} s")
    processors.leave(chosen)
    measured = measure(pairs, seconds, device, chosen)
    print(f"step without the sampler  {measured.step_ns / 1e3:.2f} µs")
    print(f"with it                   {measured.change:+.2%} ({measured.change_ns / 1e3:+.3f} µs)", end="")
    print(f", 95 % interval {measured.low:+.2%} to {measured.high:+.2%}")
    print(f"the sampler's own time    {measured.cpu_share:.2%} of a processor at 10 Hz")
    print(f"target (at most 0.5 % and 1 µs of a step, 1 % of a processor): {measured.verdict()}")
    return SOME_FAILED if measured.verdict() == "missed" else OK


def measure(pairs: int, seconds: float, device: str, cpus: tuple[int, ...], seed: int = 0) -> Cost:
    """Measure the cost of the sampler; raises SetupError when the working process fails."""
    rng = random.Random(seed)
    stretches: list[Stretch] = []
    cpu_ns = wall_ns = 0
    observer = Observer(device=device, gpu=gpus.wanted(os.environ, in_container=False), say=progress.say)
    with tempfile.TemporaryDirectory() as name, _working(cpus) as process:
        folder = Path(name)
        (folder / PHASE_FILE).write_text(UNDISTURBED, encoding="utf-8")
        time.sleep(SETTLE_S)
        for _ in range(pairs):
            for on in rng.sample([True, False], 2):
                with observer.watch("selftest") if on else nullcontext() as watch:
                    if watch:
                        watch.started(process.pid, folder)
                    begin = time.perf_counter_ns()
                    time.sleep(seconds)
                    stretches.append(Stretch(on=on, begin_ns=begin, end_ns=time.perf_counter_ns()))
                if watch:
                    observed = watch.observation()
                    cpu_ns += observed.sampler_cpu_ns or 0
                    wall_ns += observed.sampler_wall_ns or 0
        printed, _ = process.communicate()
    observer.close()
    if process.returncode:
        raise SetupError(f"the working process of the self-test ended with {process.returncode}.")
    return cost([int(line) for line in printed.split()], stretches, cpu_ns / wall_ns)


def cost(begun_ns: Sequence[int], stretches: Sequence[Stretch], cpu_share: float) -> Cost:
    """Return the cost of the sampler.

    Args:
        begun_ns: when each step began, in order, and when the last ended.
        stretches: two for each pair, one of them with the sampler.
        cpu_share: of one processor that the sampler took.
    """
    ratios, off = [], []
    for pair in zip(stretches[::2], stretches[1::2], strict=True):
        median = {stretch.on: statistics.median(_steps(begun_ns, stretch)) for stretch in pair}
        ratios.append(math.log(median[True] / median[False]))
        off.append(median[False])
    mean = statistics.fmean(ratios)
    spread = statistics.stdev(ratios) / math.sqrt(len(ratios))
    half = student_quantile((1 + CONFIDENCE) / 2, freedom=len(ratios) - 1) * spread
    change, low, high = (math.expm1(value) for value in (mean, mean - half, mean + half))
    return Cost(
        pairs=len(ratios), step_ns=statistics.median(off), change=change, low=low, high=high, cpu_share=cpu_share
    )


def _steps(begun_ns: Sequence[int], stretch: Stretch) -> list[int]:
    """Return the durations of the steps that lie wholly in a stretch."""
    first = bisect.bisect_left(begun_ns, stretch.begin_ns)
    last = bisect.bisect_right(begun_ns, stretch.end_ns)
    inside = begun_ns[first:last]
    return [after - before for before, after in itertools.pairwise(inside)]


@contextmanager
def _working(cpus: tuple[int, ...]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.selftest.steps"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **variables.measured(os.environ, Path(tempfile.gettempdir())),
            "PYTHONPATH": str(checkout.ROOT),
            "OPENBLAS_NUM_THREADS": "1",
        },
    )
    try:
        os.sched_setaffinity(process.pid, cpus)
        assert process.stdout
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
