"""Flags: the letters with a figure of a table that warn of it. Which a cell gets, and what each means."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.records.record import Timing
from harness.stats import rounds
from harness.stats.distributions import normal_quantile
from harness.stats.estimate import (
    ALPHA,
    FEW_BLOCKS,
    PRECISE_HALF_WIDTH,
    Estimate,
    cpu_share,
    estimate,
    median_share,
    round_step_ns,
    step_ns,
)
from harness.stats.rounds import Array, Shape
from harness.stats.spread import has_outlier, is_bimodal

AUTOCORRELATION_LIMIT: Final = 0.3
LEAST_CPU_SHARE: Final = 0.9  # a processor's time that a step on the CPU should get
SHIFT_ALPHA: Final = 0.01  # of one cell, shared among its replicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A warning with a figure."""

    name: str  # in the CSV
    letter: str  # with the figure
    sentence: str  # in the legend


FEW: Final = Flag(
    name=f"B<{FEW_BLOCKS}",
    letter="B",
    sentence=f"fewer than {FEW_BLOCKS} blocks: a first look, its interval is wide and no verdict rests on it",
)
NOSLOPE: Final = Flag(
    name="NOSLOPE",
    letter="L",
    sentence="fits of twice the steps took no longer in some replicate, so there is no time per step",
)
STOLEN: Final = Flag(
    name="STOLEN",
    letter="C",
    sentence=f"something else ran: some replicate's rounds got less than {LEAST_CPU_SHARE:.0%} of a processor"
    " (or of what its best rounds got)",
)
IMPRECISE: Final = Flag(
    name="IMPRECISE",
    letter="I",
    sentence="the half-width of the interval is above 2 % (on a GPU: 1 %), so smaller differences cannot be seen;"
    " where processes took turns, of the interval of the ratio to the baseline",
)
BIMODAL: Final = Flag(
    name="BIMODAL",
    letter="M",
    sentence="the replicates lie around two levels more than 1 % apart: no replicate takes the mean of the two",
)
NOSTEADY: Final = Flag(
    name="NOSTEADY",
    letter="N",
    sentence="the warm-up reached its time limit before the rounds agreed in some replicate",
)
OUTLIER: Final = Flag(
    name="OUTLIER",
    letter="O",
    sentence="one replicate lies farther from the others than chance explains (Grubbs' test); it is still counted",
)
SHIFT: Final = Flag(
    name="SHIFT",
    letter="S",
    sentence="the level of the rounds moved by more than 1 % within some replicate (Pettitt's test)",
)
AUTOCORR: Final = Flag(
    name="AUTOCORR",
    letter="A",
    sentence=f"neighbouring rounds resemble each other: lag-1 autocorrelation beyond ±{AUTOCORRELATION_LIMIT}",
)
FLAGS: Final = (NOSTEADY, FEW, IMPRECISE, AUTOCORR, SHIFT, STOLEN, NOSLOPE, BIMODAL, OUTLIER)  # by the statistics

DRIFT: Final = Flag(
    name="DRIFT",
    letter="D",
    sentence="the machine itself changed by more than 2 % within some block (its drift probes)",
)
WARNINGS: Final[Mapping[str, Flag]] = {  # by the name of the disturbance in harness.validity.machine
    "shared gpu": Flag(name="SHARED", letter="G", sentence="another program used the GPU as well, as was allowed"),
    "power cap": Flag(name="POWERCAP", letter="P", sentence="the power limit held the GPU's clocks down"),
    "unlocked clocks": Flag(
        name="UNLOCKED",
        letter="U",
        sentence="the GPU's clocks changed or followed other GPUs', so they were not locked",
    ),
    "sampler": Flag(name="SAMPLER", letter="X", sentence="the sampler took more than 0.5 % of a processor"),
}
RERUN: Final = Flag(
    name="RERUN",
    letter="R",
    sentence="some replicate was invalid and was run again in its block; the valid attempt counts",
)
OVERHEAD: Final = Flag(
    name="OVERHEAD",
    letter="H",
    sentence="one rank of the strategy is told to take more than 5 % longer than the plain step: the whole interval of"
    " their ratio lies above 1.05",
)

ALPHABET: Final = (*FLAGS, DRIFT, *WARNINGS.values(), RERUN, OVERHEAD)  # every flag there is


def flags(timings: Sequence[Timing], device: str, *, is_narrow: bool | None = None) -> tuple[Flag, ...]:
    """Return the flags that the good replicates of one cell get from the statistics, in the order of `FLAGS`.

    `is_narrow`: whether the interval that the cell is judged by is narrow enough; None: that of its step is judged.
    """
    steps = [step for timing in timings if (step := step_ns(timing)) is not None]
    whole = len(steps) == len(timings) > 0
    groups = alike(timings)
    raised = {
        NOSTEADY: not all(timing.steady for timing in timings),
        FEW: len(timings) < FEW_BLOCKS,
        IMPRECISE: whole and not (is_precise(estimate(steps), device) if is_narrow is None else is_narrow),
        AUTOCORR: autocorrelated(groups),
        SHIFT: any(shape != "flat" for shape in shapes(groups)),
        STOLEN: device == "cpu" and any(map(is_robbed, timings)),
        NOSLOPE: not whole,
        BIMODAL: whole and is_bimodal(steps),
        OUTLIER: whole and has_outlier(steps),
    }
    return tuple(flag for flag in FLAGS if raised[flag])


def is_robbed(timing: Timing) -> bool:
    """Return whether a replicate on the CPU got too little of it, in all its rounds or in the median one."""
    return cpu_share(timing) < LEAST_CPU_SHARE or median_share(timing) < LEAST_CPU_SHARE


def legend(raised: Iterable[Flag]) -> tuple[Flag, ...]:
    """Return the distinct flags among `raised`: those of the statistics in the order of `FLAGS`, then the others."""
    distinct = dict.fromkeys(raised)
    return tuple(dict.fromkeys([*(flag for flag in FLAGS if flag in distinct), *distinct]))


def is_precise(estimated: Estimate, device: str) -> bool:
    """Return whether the interval of an estimate is as narrow as a run on `device` needs; True where it has none.

    One replicate gives no interval, so that nothing is known.
    """
    half_width = estimated.half_width
    return half_width is None or half_width <= PRECISE_HALF_WIDTH.get(device, PRECISE_HALF_WIDTH["cuda"])


def alike(timings: Iterable[Timing]) -> list[Array]:
    """Return the time per step of each round in ns, replicates of equal length in one array (replicates, rounds)."""
    replicates = sorted((round_step_ns(timing) for timing in timings), key=len)
    return [np.array(list(group)) for count, group in itertools.groupby(replicates, key=len) if count]


def shapes(groups: Iterable[Array]) -> list[Shape]:
    """Return the shape of each replicate that has rounds enough; all of a cell share `SHIFT_ALPHA`."""
    long_enough = [group for group in groups if group.shape[1] >= rounds.FEWEST]
    alpha = SHIFT_ALPHA / max(1, sum(map(len, long_enough)))
    return [shape for group in long_enough for shape in rounds.shapes(group, alpha)]


def autocorrelated(groups: Sequence[Array]) -> bool:
    """Return whether rounds resemble their neighbours: |mean lag-1 autocorrelation| above the limit and above noise.

    For n independent values its standard deviation is 1/√n (Bartlett 1946), so a few rounds alone never raise the flag.
    """
    total = sum(group.size for group in groups)
    if not total:
        return False
    mean: float = sum(group.shape[1] * float(rounds.lag1(group).sum()) for group in groups) / total
    noise = normal_quantile(1 - ALPHA / 2) / math.sqrt(total)
    return abs(mean) > max(AUTOCORRELATION_LIMIT, noise)
