"""After how many steps a mode has earned back its dearer first step: first-step cost over saving per step, by block."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from harness.stats.estimate import Cost, Estimate, Interval, level, t_quantile

NEVER: Final = "never"  # the interval of the saving per step includes zero, or lies below it


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """After how many steps a mode has earned back its dearer first step."""

    steps: float
    interval: Interval | None  # None: the dearer first step was seen once


def saving(mode: Mapping[int, Cost], baseline: Mapping[int, Cost]) -> Estimate | None:
    """Return what a step of `mode` saves against `baseline` in ns, paired by block; None when they share no block."""
    shared = sorted(mode.keys() & baseline.keys())
    return level([baseline[block].step_ns - mode[block].step_ns for block in shared]) if shared else None


def break_even(mode: Mapping[int, Cost], baseline: Mapping[int, Cost]) -> BreakEven | Literal["never"] | None:
    """Return the steps after which `mode` is ahead of `baseline`: Δ first step ÷ saving per step, paired by block.

    The interval is Fieller's (1954, "Some problems in interval estimation", J. R. Stat. Soc. B 16): all n for which the
    mean of Δ first step - n · saving is not told from zero. It exists exactly when the saving's own interval leaves out
    zero. None with fewer than two common blocks, which give no interval.
    """
    shared = sorted(mode.keys() & baseline.keys())
    if len(shared) < 2:
        return None
    dearer = [mode[block].first_ns - baseline[block].first_ns for block in shared]
    saved = [baseline[block].step_ns - mode[block].step_ns for block in shared]
    d, s = statistics.fmean(dearer), statistics.fmean(saved)
    scale = t_quantile(len(shared)) ** 2 / len(shared)  # t² times the variance of a mean
    a = s * s - scale * statistics.variance(saved)
    if s <= 0 or a <= 0:
        return NEVER
    b = d * s - scale * statistics.covariance(dearer, saved)
    c = d * d - scale * statistics.variance(dearer)
    root = math.sqrt(max(0.0, b * b - a * c))
    return BreakEven(steps=max(0.0, d / s), interval=Interval(max(0.0, (b - root) / a), max(0.0, (b + root) / a)))


def break_even_of_one(dearer_ns: float, saved: Estimate) -> BreakEven | Literal["never"] | None:
    """Return the break-even of one Δ first step with the saving per step of several blocks; it has no interval.

    None where the saving has no interval: then nobody knows whether there is one.
    """
    if saved.interval is None:
        return None
    if saved.interval.low <= 0:
        return NEVER
    return BreakEven(steps=max(0.0, dearer_ns / saved.value), interval=None)
