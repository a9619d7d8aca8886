"""The statistics of a report, pure and on plain numbers.

The replicate (one fresh process) is the unit: rounds of one process are not independent samples, pooling them calls
identical code different in more than half of all tests. So each replicate gives one number, the median of its rounds,
and everything else is computed on the logarithms of those:

    estimate    exp of the mean over replicates, with Student's t interval
    ratio       the same for log(a / b), paired by block: what drifts through a session cancels within a block
    level       the arithmetic mean with its t interval, of what may be zero or less: a saving, a trainer's overhead
    break-even  first-step cost over saving per step, both paired by block, with Fieller's interval for a ratio of means

A run may look at its intervals up to four times (after blocks 6, 10, 15 and 20). Computing them at `ALPHA` = 0.035 pays
for the looks: what is printed as "95 %" covers in 93 to 97 % of runs.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from scipy import special

from bench.record import Timing

ALPHA: Final = 0.035
FEW_BLOCKS: Final = 6  # below this a run is a first look
VERDICT_FLOOR: Final = 0.01  # differences below 1 % are called the same
PRECISE_HALF_WIDTH: Final[Mapping[str, float]] = {"cpu": 0.02, "cuda": 0.01}
AUTOCORRELATION_LIMIT: Final = 0.3
SHIFT_LIMIT: Final = 0.01
LEAST_CPU_SHARE: Final = 0.9  # a processor's time that a step on the CPU should get
SHIFT_ALPHA: Final = 0.01  # of one cell, shared among its replicates

NEVER: Final = "never"  # the interval of the saving per step includes zero, or lies below it

Verdict = Literal["faster", "slower", "same", "undetermined"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the truth lies, "95 %" in print."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Return whether `value` lies in it."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval, in the unit of what went in: geometric from `estimate`, arithmetic from `level`."""

    value: float
    interval: Interval | None  # None: fewer than two values
    count: int  # replicates, or blocks for a ratio

    @property
    def half_width(self) -> float | None:
        """Relative half-width of a geometric mean's interval, 0.02 for ±2 %; None without an interval."""
        return None if self.interval is None else self.interval.high / self.value - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one replicate paid."""

    first_ns: float  # the first step: trace, compile, run
    step_ns: float  # each further step


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """After how many steps a mode has earned back its dearer first step."""

    steps: float
    interval: Interval | None  # None: the dearer first step was seen once


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A warning at a figure."""

    name: str  # in the CSV
    letter: str  # at the figure
    sentence: str  # in the legend


NOSTEADY: Final = Flag(
    name="NOSTEADY",
    letter="N",
    sentence="the warm-up reached its time limit before the rounds agreed in some replicate",
)
FEW: Final = Flag(
    name=f"B<{FEW_BLOCKS}",
    letter="B",
    sentence=f"fewer than {FEW_BLOCKS} blocks: a first look, its interval is wide and no verdict rests on it",
)
IMPRECISE: Final = Flag(
    name="IMPRECISE",
    letter="I",
    sentence="the interval's half-width is above 2 % (on a GPU: 1 %), so smaller differences are out of sight",
)
AUTOCORR: Final = Flag(
    name="AUTOCORR",
    letter="A",
    sentence=f"neighbouring rounds resemble each other: lag-1 autocorrelation beyond ±{AUTOCORRELATION_LIMIT}",
)
SHIFT: Final = Flag(
    name="SHIFT",
    letter="S",
    sentence="the level of the rounds moved by more than 1 % within some replicate (Pettitt's test)",
)
STOLEN: Final = Flag(
    name="STOLEN",
    letter="C",
    sentence=f"something else ran: some replicate's rounds got less than {LEAST_CPU_SHARE:.0%} of a processor",
)
NOSLOPE: Final = Flag(
    name="NOSLOPE",
    letter="L",
    sentence="fits of twice the steps took no longer in some replicate, so there is no time per step",
)
FLAGS: Final = (NOSTEADY, FEW, IMPRECISE, AUTOCORR, SHIFT, STOLEN, NOSLOPE)


def t_quantile(count: int) -> float:
    """Return Student's t for a two-sided interval at `ALPHA` from `count` values (count - 1 degrees of freedom)."""
    return float(special.stdtrit(count - 1, 1 - ALPHA / 2))


def round_step_ns(timing: Timing) -> tuple[float, ...]:
    """Return the time per step of each timed round, in ns.

    A trainer that owns its loop is timed as fits of N and of 2N steps, in pairs: the slope between them is the step,
    and what every fit costs besides drops out.
    """
    steps = timing.steps_per_round
    if timing.double_round_ns:
        pairs = zip(timing.round_ns, timing.double_round_ns, strict=False)
        return tuple((double - single) / steps for single, double in pairs)
    return tuple(duration / steps for duration in timing.round_ns)


def step_ns(timing: Timing) -> float | None:
    """Return the median time per step of a replicate in ns; None when it has no rounds or no positive slope."""
    rounds = round_step_ns(timing)
    median = statistics.median(rounds) if rounds else 0.0
    return median if median > 0 else None


def fit_overhead_ns(timing: Timing) -> float | None:
    """Return what every fit of a trainer costs besides its steps, in ns; None for a mode that is no trainer.

    The intercept of the line through fits of N and of 2N steps, T(0) = 2 T(N) - T(2N): the median over the pairs.
    """
    pairs = list(zip(timing.round_ns, timing.double_round_ns, strict=False))
    return statistics.median(2 * single - double for single, double in pairs) if pairs else None


def cost(timing: Timing, first_step_ns: int | None = None) -> Cost | None:
    """Return what a replicate paid, or would have paid with another `first_step_ns`; None without a time per step.

    The first call of a whole compiled loop makes `steps_per_call` steps: the steps after the first are taken off, so
    that first steps of all modes compare.
    """
    step = step_ns(timing)
    if step is None:
        return None
    first = timing.first_step_ns if first_step_ns is None else first_step_ns
    return Cost(first_ns=first - (timing.steps_per_call - 1) * step, step_ns=step)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the geometric mean of positive `values` with its t interval on the logarithms.

    Raises:
        ValueError: no values, or one that is not positive.
    """
    logs = [math.log(value) for value in values]
    if not logs:
        raise ValueError("an estimate needs at least one value")
    mean = math.fsum(logs) / len(logs)
    if len(logs) < 2:
        return Estimate(value=math.exp(mean), interval=None, count=1)
    half = t_quantile(len(logs)) * statistics.stdev(logs) / math.sqrt(len(logs))
    interval = Interval(math.exp(mean - half), math.exp(mean + half))
    return Estimate(value=math.exp(mean), interval=interval, count=len(logs))


def level(values: Sequence[float]) -> Estimate:
    """Return the arithmetic mean of `values` with its t interval.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("a level needs at least one value")
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(value=mean, interval=None, count=1)
    half = t_quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(value=mean, interval=Interval(mean - half, mean + half), count=len(values))


def ratio(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate | None:
    """Return a / b from the blocks that both have; None when they share none. Keys are blocks."""
    shared = sorted(a.keys() & b.keys())
    return estimate([a[block] / b[block] for block in shared]) if shared else None


def verdict(a_over_b: Estimate) -> Verdict:
    """Say what a ratio of times means for `a`: outside ±1 % with its whole interval, inside, or neither."""
    if a_over_b.interval is None:
        return "undetermined"
    low, high = a_over_b.interval.low, a_over_b.interval.high
    if high < 1 - VERDICT_FLOOR:
        return "faster"
    if low > 1 + VERDICT_FLOOR:
        return "slower"
    return "same" if low >= 1 - VERDICT_FLOOR and high <= 1 + VERDICT_FLOOR else "undetermined"


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


def flags(timings: Sequence[Timing], device: str) -> tuple[Flag, ...]:
    """Return the warnings that the good replicates of one cell earn, in the order of `FLAGS`."""
    steps = [step_ns(timing) for timing in timings]
    whole = estimate([step for step in steps if step is not None]) if timings and None not in steps else None
    half_width = whole.half_width if whole else None
    rounds = [round_step_ns(timing) for timing in timings]
    raised = {
        NOSTEADY: not all(timing.steady for timing in timings),
        FEW: len(timings) < FEW_BLOCKS,
        IMPRECISE: half_width is not None and half_width > PRECISE_HALF_WIDTH.get(device, 0.01),
        AUTOCORR: autocorrelated(rounds),
        SHIFT: any(shifted(one, SHIFT_ALPHA / len(rounds)) for one in rounds),
        STOLEN: device == "cpu" and any(cpu_share(timing) < LEAST_CPU_SHARE for timing in timings),
        NOSLOPE: None in steps,
    }
    return tuple(flag for flag in FLAGS if raised[flag])


def threads_used(timing: Timing) -> float | None:
    """Return CPU time over wall time of the timed rounds, all threads; None where they were not taken down."""
    if not timing.process_cpu_ns or not timing.process_wall_ns:
        return None
    return timing.process_cpu_ns / timing.process_wall_ns


def cpu_share(timing: Timing) -> float:
    """Return the CPU time of the timed rounds over their wall time; 1 where no CPU time was taken down.

    Records of schema 1 have the wall time of the rounds alone: what the process did between them counts as CPU time
    only, so their share errs upwards.
    """
    wall_ns = timing.process_wall_ns or sum(timing.round_ns) + sum(timing.double_round_ns)
    return timing.process_cpu_ns / wall_ns if timing.process_cpu_ns and wall_ns else 1.0


def autocorrelated(replicates: Sequence[Sequence[float]]) -> bool:
    """Return whether rounds resemble their neighbours: |mean lag-1 autocorrelation| above the limit and above noise.

    Of n independent values it is spread by 1/√n (Bartlett 1946), so a few rounds alone never raise the flag.
    """
    total = sum(len(rounds) for rounds in replicates)
    if not total:
        return False
    mean = math.fsum(len(rounds) * lag1(rounds) for rounds in replicates) / total
    noise = float(special.ndtri(1 - ALPHA / 2)) / math.sqrt(total)
    return abs(mean) > max(AUTOCORRELATION_LIMIT, noise)


def lag1(values: Sequence[float]) -> float:
    """Return the lag-1 autocorrelation coefficient r₁ (Box and Jenkins); 0 for constant or fewer than three values."""
    if len(values) < 3:
        return 0.0
    mean = statistics.fmean(values)
    off = [value - mean for value in values]
    variance = math.fsum(one * one for one in off)
    return math.fsum(x * y for x, y in itertools.pairwise(off)) / variance if variance else 0.0


def shifted(rounds: Sequence[float], alpha: float) -> bool:
    """Return whether the level moves once by more than 1 %, by Pettitt's rank test for a change point at `alpha`.

    Pettitt (1979), "A non-parametric approach to the change-point problem", Appl. Stat. 28: K = max |U_t|, where
    U_t = 2 · (sum of the first t ranks) - t (n + 1), and p ≈ 2 exp(-6 K² / (n³ + n²)).
    """
    n = len(rounds)
    if n < 4:
        return False
    ranks = _midranks(rounds)
    running, change, k = 0.0, 1, 0.0
    for t in range(1, n):
        running += 2 * ranks[t - 1] - (n + 1)
        if abs(running) > k:
            change, k = t, abs(running)
    if 2 * math.exp(-6 * k * k / (n**3 + n**2)) >= alpha:
        return False
    before, after = statistics.median(rounds[:change]), statistics.median(rounds[change:])
    return before > 0 and abs(after / before - 1) > SHIFT_LIMIT


def _midranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1, ties sharing the mean of theirs."""
    order = sorted(values)
    first: dict[float, int] = {}
    count: dict[float, int] = {}
    for position, value in enumerate(order, start=1):
        first.setdefault(value, position)
        count[value] = count.get(value, 0) + 1
    return [first[value] + (count[value] - 1) / 2 for value in values]


def largest_difference(trajectories: Sequence[Sequence[float]]) -> float | None:
    """Return how far the losses of the same step lie apart at most; None for fewer than two, or of unequal length."""
    if len(trajectories) < 2 or len({len(one) for one in trajectories}) > 1:
        return None
    return max((max(step) - min(step) for step in zip(*trajectories, strict=True)), default=None)


def all_flags(raised: Iterable[Flag]) -> tuple[Flag, ...]:
    """Return the distinct flags among `raised`, in the order of `FLAGS`."""
    seen = set(raised)
    return tuple(flag for flag in FLAGS if flag in seen)
