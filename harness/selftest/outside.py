"""Figures 6 and 8: what watching costs, and whether a known peak of memory is found."""

from typing import Final

from harness.host import processors
from harness.selftest import allocation as memory
from harness.selftest import sampler as watching
from harness.selftest.figures import Figure

STRETCH_S: Final = 1.0


def sampler(pairs: int) -> Figure:
    """Compare steps with the sampler and without it."""
    return judged_cost(watching.measure(pairs, STRETCH_S, "cpu", processors.default_cpus()))


def judged_cost(found: watching.Cost) -> Figure:
    """Return the figure of what the sampler costs."""
    change = f"{found.change:+.2%} ({found.low:+.2%} to {found.high:+.2%})"
    return Figure(
        number=6,
        name="cost of the sampler, on against off",
        target="≤ 0.5 % and ≤ 1 µs a step, ≤ 1 % of a processor",
        found=f"{change}, {found.change_ns / 1e3:+.2f} µs, {found.cpu_share:.2%} of a processor",
        met={"met": True, "missed": False}.get(found.verdict()),
        how=f"{found.pairs} pairs of {STRETCH_S:g} s, steps of {found.step_ns / 1e3:.3g} µs, 10 Hz",
    )


def allocation() -> Figure:
    """Run a known pattern of allocations under the sampler."""
    return judged_peak(memory.measure())


def judged_peak(found: memory.Found) -> Figure:
    """Return the figure of a known peak."""
    mib = memory.MIB
    return Figure(
        number=8,
        name="a known allocation pattern with a 1 ms spike",
        target="peak within 1 % or 2 MiB, samples a lower bound",
        found=f"{(found.own_peak_bytes - found.known_peak_bytes) / mib:+.1f} MiB of {found.known_peak_bytes / mib:.0f},"
        f" sampled {found.sampled_peak_bytes / mib:.0f}",
        met=found.is_exact and found.is_bound,
        how="host memory, VmHWM and looks at 10 Hz",
    )
