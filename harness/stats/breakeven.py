"""After how many steps a mode has amortised its compile cost: extra first-step cost ÷ saving per step, by block."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from harness.stats.estimate import Cost, Estimate, Interval, level, t_quantile

NEVER: Final = "never"  # the interval of the saving per step includes zero, or lies below it


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """After how many steps a mode has amortised the extra cost of its first step."""

    steps: float
    interval: Interval | None  # None: the extra cost was measured once


def saving(mode: Mapping[int, Cost], baseline: Mapping[int, Cost]) -> Estimate | None:
    """Return what a step of `mode` saves against `baseline` in ns, paired by block; None when they share no block."""
    shared = sorted(mode.keys() & baseline.keys())
    return level([baseline[block].step_ns - mode[block].step_ns for block in shared]) if shared else None


def break_even(mode: Mapping[int, Cost], baseline: Mapping[int, Cost]) -> BreakEven | Literal["never"] | None:
    """Return the steps after which `mode` is ahead of `baseline`: Δ first step ÷ saving per step, paired by block.

    The interval is Fieller's (1954, "Some problems in interval estimation", J. R. Stat. Soc. B 16): all n for which the
    mean of Δ first step - n · saving cannot be distinguished from zero. It exists exactly when the interval of the
    saving excludes zero. None with fewer than two common blocks, which give no interval.
    """
    shared = sorted(mode.keys() & baseline.keys())
    if len(shared) < 2:
        return None
    extra = [mode[block].first_ns - baseline[block].first_ns for block in shared]
    saved = [baseline[block].step_ns - mode[block].step_ns for block in shared]
    d, s = statistics.fmean(extra), statistics.fmean(saved)
    scale = t_quantile(len(shared)) ** 2 / len(shared)  # t² times the variance of a mean
    a = s * s - scale * statistics.variance(saved)
    if s <= 0 or a <= 0:
        return NEVER
    b = d * s - scale * statistics.covariance(extra, saved)
    c = d * d - scale * statistics.variance(extra)
    root = math.sqrt(max(0.0, b * b - a * c))
    interval = Interval(low=max(0.0, (b - root) / a), high=max(0.0, (b + root) / a))
    return BreakEven(steps=max(0.0, d / s), interval=interval)


def break_even_of_one(extra_ns: float, saving: Estimate) -> BreakEven | Literal["never"] | None:
    """Return the break-even of one extra first-step cost with the saving per step of several blocks, without interval.

    None where the saving has no interval: then it is not known whether there is a saving.
    """
    if saving.interval is None:
        return None
    if saving.interval.low <= 0:
        return NEVER
    return BreakEven(steps=max(0.0, extra_ns / saving.value), interval=None)
