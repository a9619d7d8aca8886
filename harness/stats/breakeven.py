"""After how many steps a mode has amortised its longer first step, by the logarithm of the ratio of total costs.

The total cost after n steps is F + (n - 1) S: the first step and the others. In block k, L_k(n) is the logarithm of
what the mode costs ÷ what its baseline costs, and the mode's S is that of the baseline times the ratio of their steps.
The break-even is the n from which the mean of L over the blocks is below 0. Its interval is all n ≥ 1 for which the
t interval of that mean contains 0: Fieller's idea (1954, "Some problems in interval estimation", J. R. Stat. Soc. B 16)
on logarithms, where a block in which everything took twice as long says the same as any other.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from harness.stats.distributions import root
from harness.stats.estimate import Cost, Estimate, Interval, level, t_quantile

NEVER: Final = "never"  # the step is told to be slower, or no faster: the interval of its ratio lies at or above 1
MOST_STEPS: Final = 1e15  # a break-even is looked for up to here
MOST_MORE: Final = 20  # more blocks are not counted

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """After how many steps a mode has amortised the extra cost of its first step."""

    steps: float  # 1: from the first step on
    interval: Interval | None  # None: the extra cost was measured once


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTold:
    """The blocks do not tell whether a mode ever amortises its first step."""

    blocks: int  # that there are
    more: int | None = None  # blocks that it would probably take; None: more than 20, or one block tells nothing of it

    @property
    def needs(self) -> str:
        """What it would take, in words."""
        if self.blocks < 2:
            return "two blocks or more"
        if self.more is None:
            return f"more than {MOST_MORE} more blocks"
        return "1 more block" if self.more == 1 else f"{self.more} more blocks"


Outcome = BreakEven | Literal["never"] | NotTold


def saving(baseline: Mapping[int, Cost], ratios: Mapping[int, float]) -> Estimate | None:
    """Return what a step of a mode saves in ns; `ratios`: its step ÷ that of the baseline, by block."""
    shared = sorted(baseline.keys() & ratios.keys())
    return (
        level([baseline[block].step_ns - baseline[block].step_ns * ratios[block] for block in shared])
        if shared
        else None
    )


def break_even(
    mode: Mapping[int, Cost], baseline: Mapping[int, Cost], ratios: Mapping[int, float], ratio: Estimate
) -> Outcome | None:
    """Return the break-even of `mode`; None when it shares no block with its baseline.

    Args:
        mode: its costs by block.
        baseline: the baseline's.
        ratios: step of the mode ÷ that of the baseline, by block.
        ratio: the same of all blocks together, as it is printed.
    """
    shared = sorted(mode.keys() & baseline.keys() & ratios.keys())
    if not shared:
        return None
    if is_no_faster(ratio):
        return NEVER
    logs = [math.log(ratios[block]) for block in sorted(ratios)]
    if len(shared) < 2:
        return not_told(logs)
    costs = np.array([_costs(mode[block], baseline[block], ratios[block]) for block in shared])
    if ratio.interval is None or not ratio.interval.high < 1:
        return not_told(logs)
    return _crossing(costs) or not_told(logs)


def break_even_of_one(mode: Cost, baseline: Cost, ratio: Estimate) -> Outcome:
    """Return the break-even where the first step is known in one block and the `ratio` of steps in more, as a point."""
    if is_no_faster(ratio):
        return NEVER
    if ratio.interval is None or not ratio.interval.high < 1:
        return NotTold(blocks=ratio.count, more=_more(ratio))
    extra = mode.first_ns - baseline.first_ns
    return BreakEven(steps=1 + max(0.0, extra / (baseline.step_ns * (1 - ratio.value))), interval=None)


def is_no_faster(ratio: Estimate) -> bool:
    """Return whether a step is told to be slower or equal: the whole interval of its ratio lies at or above 1."""
    return ratio.interval is not None and ratio.interval.low >= 1


def not_told(logs: Sequence[float]) -> NotTold:
    """Return how many blocks more than those of `logs`, ratios of steps, it would take at their present spread."""
    blocks = len(logs)
    if blocks < 2:
        return NotTold(blocks=blocks)
    return NotTold(blocks=blocks, more=_more_blocks(abs(statistics.fmean(logs)), statistics.stdev(logs), blocks))


def _more(ratio: Estimate) -> int | None:
    if ratio.interval is None:
        return None
    half = math.log(ratio.interval.high / ratio.value)
    spread = half * math.sqrt(ratio.count) / t_quantile(ratio.count)
    return _more_blocks(abs(math.log(ratio.value)), spread, ratio.count)


def _more_blocks(mean: float, spread: float, blocks: int) -> int | None:
    for more in range(1, MOST_MORE + 1):
        n = blocks + more
        if t_quantile(n) * spread / math.sqrt(n) < mean:
            return more
    return None


def _costs(mode: Cost, baseline: Cost, ratio: float) -> tuple[float, float, float, float]:
    """Return first and further step of the mode, then of the baseline, in ns; a first step is never free."""
    step = baseline.step_ns * ratio
    first_ns = (mode.first_ns if mode.first_ns > 0 else step, baseline.first_ns if baseline.first_ns > 0 else step)
    return first_ns[0], step, first_ns[1], baseline.step_ns


def _crossing(costs: Array) -> BreakEven | None:
    """Return where the mean of L changes its sign for good, with its interval; None: not up to `MOST_STEPS`.

    `costs` has a row (first step and further step of the mode, and of the baseline) for each block.
    """
    t = t_quantile(len(costs)) / math.sqrt(len(costs))

    def mean(x: float) -> float:  # x = log n
        return float(_logs(costs, np.array([x])).mean())

    def outside(x: float) -> float:  # how far 0 lies outside the interval of the mean
        logs = _logs(costs, np.array([x]))[0]
        return abs(float(logs.mean())) - t * float(logs.std(ddof=1))

    def end(x_outside: float, x_inside: float) -> float:
        is_between = outside(x_outside) > 0 >= outside(x_inside)  # not where rounding is larger than the interval
        return root(outside, x_outside, x_inside) if is_between else x_inside

    grid = np.linspace(0, math.log(MOST_STEPS), 700)
    behind = np.flatnonzero(_logs(costs, grid).mean(axis=1) > 0)
    if behind.size and behind[-1] == len(grid) - 1:
        return None
    middle = root(mean, *grid[behind[-1] : behind[-1] + 2]) if behind.size else 0.0
    grid = np.unique([*grid, middle])
    logs = _logs(costs, grid)
    inside = np.flatnonzero(np.abs(logs.mean(axis=1)) <= t * logs.std(axis=1, ddof=1))
    if not inside.size:
        return BreakEven(steps=math.exp(middle), interval=Interval(low=math.exp(middle), high=math.exp(middle)))
    first, last = inside[0], inside[-1]
    if last == len(grid) - 1:
        return None
    low = min(middle, end(grid[first - 1], grid[first]) if first else 0.0)
    high = max(middle, end(grid[last + 1], grid[last]))
    return BreakEven(steps=math.exp(middle), interval=Interval(low=math.exp(low), high=math.exp(high)))


def _logs(costs: Array, x: Array) -> Array:
    """Return L of each block, shape (len(x), blocks), at n = exp(x)."""
    further = np.expm1(x)[:, np.newaxis]  # n - 1
    logs: Array = np.log((costs[:, 0] + further * costs[:, 1]) / (costs[:, 2] + further * costs[:, 3]))
    return logs
