"""Figures 6 and 8: the cost of the sampler, and whether a known peak of memory is reported."""

from typing import Final

from harness.host import processors
from harness.selftest.allocation import MIB, Peaks, measure
from harness.selftest.figures import Figure
from harness.selftest.sampler import Cost
from harness.selftest.sampler import measure as measure_sampler

STRETCH_S: Final = 1.0


def sampler(pairs: int) -> Figure:
    """Compare steps with the sampler and without it."""
    return judged_cost(measure_sampler(pairs, STRETCH_S, "cpu", processors.default_cpus()))


def judged_cost(cost: Cost) -> Figure:
    """Return the figure of the sampler's cost."""
    change = f"{cost.change:+.2%} ({cost.low:+.2%} to {cost.high:+.2%})"
    return Figure(
        number=6,
        name="cost of the sampler, on against off",
        target="≤ 0.5 % and ≤ 1 µs a step, ≤ 1 % of a processor",
        found=f"{change}, {cost.change_ns / 1e3:+.2f} µs, {cost.cpu_share:.2%} of a processor",
        met={"met": True, "missed": False}.get(cost.verdict()),
        how=f"{cost.pairs} pairs of {STRETCH_S:g} s, steps of {cost.step_ns / 1e3:.3g} µs, 10 Hz",
    )


def allocation() -> Figure:
    """Run a known pattern of allocations under the sampler."""
    return judged_peak(measure())


def judged_peak(peaks: Peaks) -> Figure:
    """Return the figure of a known peak."""
    return Figure(
        number=8,
        name="a known allocation pattern with a 1 ms spike",
        target="peak within 1 % or 2 MiB, samples a lower bound",
        found=f"{(peaks.own_peak_bytes - peaks.known_peak_bytes) / MIB:+.1f} MiB of {peaks.known_peak_bytes / MIB:.0f},"
        f" sampled {peaks.sampled_peak_bytes / MIB:.0f}",
        met=peaks.is_exact and peaks.is_bound,
        how="host memory, VmHWM and looks at 10 Hz",
    )
