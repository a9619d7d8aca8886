"""The estimates of a report: time per step, ratios and their intervals.

The replicate (one fresh process) is the unit. Rounds of one process are not independent samples: pooling them calls
identical code different in more than half of all tests. So each replicate gives one number, the median of its rounds,
and the estimates are computed from those:

    estimate    geometric mean over replicates, with Student's t interval on the logarithms
    ratio       the same for a / b, paired by block: what drifts through a session cancels within a block
    level       arithmetic mean with its t interval, for values that may be zero or less: a saving, a trainer's overhead

A run has up to four interim analyses (after blocks 6, 10, 15 and 20) and may stop at each. `ALPHA` = 0.035 corrects for
them: what is printed as "95 %" covers the truth in 93 to 97 % of runs.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.records.record import Timing
from harness.stats.distributions import student_quantile

ALPHA: Final = 0.035
FEW_BLOCKS: Final = 6  # below this a run is a first look
VERDICT_FLOOR: Final = 0.01  # differences below 1 % are called the same
BEST: Final = 0.9  # so many of a replicate's rounds had the processor for a smaller share than its best ones
WIDE: Final = 2.0  # an interval whose ends differ by more than this factor is shown instead of the value in it
PRECISE_HALF_WIDTH: Final[Mapping[str, float]] = {"cpu": 0.02, "cuda": 0.01}

Verdict = Literal["faster", "slower", "same", "undetermined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval, "95 %" in print."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Return whether `value` lies in it."""
        return self.low <= value <= self.high

    @property
    def is_wide(self) -> bool:
        """Whether its ends differ by more than a factor of two, or in their sign."""
        return not 0 < self.high <= WIDE * self.low


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval, in the unit of its values: geometric from `estimate`, arithmetic from `level`."""

    value: float
    interval: Interval | None  # None: fewer than two values
    count: int  # replicates, or blocks for a ratio
    extent: Interval | None = None  # lowest and highest of the values; None: not kept

    @property
    def half_width(self) -> float | None:
        """Relative half-width of a geometric mean's interval, 0.02 for ±2 %; None without an interval."""
        return None if self.interval is None else self.interval.high / self.value - 1

    @property
    def is_wide(self) -> bool:
        """Whether its interval is too wide for one number to stand for it."""
        return self.interval is not None and self.interval.is_wide

    @property
    def inverse(self) -> "Estimate":
        """The estimate of 1 / ratio."""
        interval = self.interval and Interval(low=1 / self.interval.high, high=1 / self.interval.low)
        return Estimate(value=1 / self.value, interval=interval, count=self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one replicate needed."""

    first_ns: float  # the first step: trace, compile, run, until the mode is steady
    step_ns: float  # each further step


def t_quantile(count: int) -> float:
    """Return Student's t for a two-sided interval at `ALPHA` from `count` values (count - 1 degrees of freedom)."""
    return student_quantile(1 - ALPHA / 2, freedom=count - 1)


def round_step_ns(timing: Timing) -> tuple[float, ...]:
    """Return the time per step of each timed round, in ns.

    A trainer that owns its loop is timed as fits of N and of 2N steps, in pairs: the slope between them is the step,
    and the fixed cost of every fit drops out.
    """
    steps = timing.steps_per_round
    if timing.double_round_ns:
        pairs = zip(timing.round_ns, timing.double_round_ns, strict=False)
        return tuple([(double - single) / steps for single, double in pairs])
    return tuple([duration / steps for duration in timing.round_ns])  # a list is made in half the time


def step_ns(timing: Timing) -> float | None:
    """Return the median time per step of a replicate in ns; None when it has no rounds or no positive slope."""
    rounds = round_step_ns(timing)
    median = statistics.median(rounds) if rounds else 0.0
    return median if median > 0 else None


def fit_overhead_ns(timing: Timing) -> float | None:
    """Return the fixed cost of every fit of a trainer, without its steps, in ns; None for a mode that is not a trainer.

    The intercept of the line through fits of N and of 2N steps, T(0) = 2 T(N) - T(2N): the median over the pairs.
    """
    pairs = list(zip(timing.round_ns, timing.double_round_ns, strict=False))
    return statistics.median(2 * single - double for single, double in pairs) if pairs else None


def to_steady_ns(timing: Timing) -> int:
    """Return the first step in ns: all calls until the mode was steady, that is up to the last that compiled."""
    return timing.first_step_ns + sum(timing.settling_ns)


def cost(timing: Timing, calls: Sequence[int] | None = None) -> Cost | None:
    """Return what a replicate needed; None without a time per step.

    Each call until the mode is steady makes `steps_per_call` steps, those of a whole compiled loop. All but one are
    subtracted, so that first steps of all modes are comparable.

    Args:
        timing: of the replicate.
        calls: durations of another process's calls until the mode was steady, in ns; None: the replicate's own.
    """
    step = step_ns(timing)
    if step is None:
        return None
    calls = (timing.first_step_ns, *timing.settling_ns) if calls is None else calls
    return Cost(first_ns=sum(calls) - (len(calls) * timing.steps_per_call - 1) * step, step_ns=step)


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
    half = t_quantile(len(logs)) * _deviation(logs, mean) / math.sqrt(len(logs))
    interval = Interval(low=math.exp(mean - half), high=math.exp(mean + half))
    extent = Interval(low=min(values), high=max(values))
    return Estimate(value=math.exp(mean), interval=interval, count=len(logs), extent=extent)


def _deviation(values: Sequence[float], mean: float) -> float:
    """Return the standard deviation of a sample; that of `statistics`, in fractions, takes ten times as long."""
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


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
    half = t_quantile(len(values)) * _deviation(values, mean) / math.sqrt(len(values))
    return Estimate(value=mean, interval=Interval(low=mean - half, high=mean + half), count=len(values))


def ratio(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate | None:
    """Return a / b from the blocks that both have; None when they share none. Keys are blocks."""
    shared = sorted(a.keys() & b.keys())
    return estimate([a[block] / b[block] for block in shared]) if shared else None


def verdict(a_over_b: Estimate, floor: float = VERDICT_FLOOR) -> Verdict:
    """Return what a ratio of times means for `a`: its whole interval lies outside ±`floor`, inside ±1 %, or neither.

    "same" does not depend on the noise floor `floor`: a noisy session knows less, not more. All bounds are ratios,
    1 + floor and its inverse, so that the verdict on b / a is the opposite of that on a / b.
    """
    if a_over_b.interval is None:
        return "undetermined"
    low, high = a_over_b.interval.low, a_over_b.interval.high
    if high < 1 / (1 + floor):
        return "faster"
    if low > 1 + floor:
        return "slower"
    is_within = low >= 1 / (1 + VERDICT_FLOOR) and high <= 1 + VERDICT_FLOOR
    return "same" if is_within else "undetermined"


def threads_used(timing: Timing) -> float | None:
    """Return CPU time over wall time of the timed rounds, all threads; None where they were not recorded."""
    if not timing.process_cpu_ns or not timing.process_wall_ns:
        return None
    return timing.process_cpu_ns / timing.process_wall_ns


def cpu_share(timing: Timing) -> float:
    """Return the CPU time of the timed rounds over their wall time; 1 where no CPU time was recorded.

    Records of schema 1 have the wall time of the rounds alone. What the process did between them counts as CPU time
    only, so their share may be too high.
    """
    wall_ns = timing.process_wall_ns or sum(timing.round_ns) + sum(timing.double_round_ns)
    return timing.process_cpu_ns / wall_ns if timing.process_cpu_ns and wall_ns else 1.0


def round_shares(timing: Timing) -> list[float]:
    """Return the CPU time of each round over its wall time; of a trainer over both fits; none where not recorded."""
    doubles = timing.double_round_ns or (0,) * len(timing.round_ns)
    if len(timing.round_cpu_ns) != len(timing.round_ns):
        return []
    return [
        cpu / max(1, once + twice)
        for cpu, once, twice in zip(timing.round_cpu_ns, timing.round_ns, doubles, strict=True)
    ]


def best_share(shares: Sequence[float]) -> float:
    """Return the share of a replicate's best rounds: a step may wait, or use several processors."""
    return sorted(shares)[int(BEST * len(shares))]


def median_share(timing: Timing) -> float:
    """Return the median round's share over that of the best rounds; 1 where none was recorded.

    It is low where something else had the processor, and not where the step itself waits.
    """
    shares = round_shares(timing)
    best = best_share(shares) if shares else 0.0
    return statistics.median(shares) / best if best else 1.0


def largest_difference(trajectories: Sequence[Sequence[float]]) -> float | None:
    """Return the largest difference between losses of the same step; None for fewer than two, or of unequal length."""
    if len(trajectories) < 2 or len({len(losses) for losses in trajectories}) > 1:
        return None
    return max((max(step) - min(step) for step in zip(*trajectories, strict=True)), default=None)
