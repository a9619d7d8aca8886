"""What the products have to be, and what was measured of them: pure functions on numbers."""

import itertools
import math
import statistics
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.loops.programs import Loop

# 3 · 2⁵⁰⁰ is no float32, so the longer loops have a factor near 1, which shows a product that is one step off by 1 %.
LOOPS: Final = (
    Loop(steps=5, x=3.0, w=2.0),
    Loop(steps=50, x=3.0, w=1.01),
    Loop(steps=500, x=3.0, w=1.01),
)
LOOKED_INTO: Final = LOOPS[:1]  # by a debugger
ROUNDING: Final = 2.0**-24  # the largest relative error of one product in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The time of one call of both functions, at one number of steps."""

    steps: int
    every_ns: float  # each product; median of the rounds
    last_ns: float  # the last one alone
    ratio: float  # each ÷ last, median of neighbouring rounds
    low: float  # the middle half of those ratios
    high: float
    cpu_share: float  # processor time ÷ time of all rounds; below 1 the process waited, or other work ran
    every_first_ns: int  # building and the first call
    last_first_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """How often a debugger with a breakpoint in the loop's body stopped."""

    steps: int
    first: int  # while it was built and called for the first time
    later: int  # in the second call

    @property
    def words(self) -> str:
        """Return when it stops, as a person says it."""
        if self.later:
            return "each step" if self.later == self.steps else f"{self.later} times a call"
        return {0: "never", 1: "once, in the trace"}.get(self.first, f"{self.first} times, in the trace")


def products(loop: Loop) -> tuple[float, ...]:
    """Return the products in float64, with x and W as float32 has them."""
    x, w = (struct.unpack("f", struct.pack("f", number))[0] for number in (loop.x, loop.w))
    return tuple(
        itertools.accumulate(itertools.repeat(w, loop.steps), lambda product, factor: product * factor, initial=x)
    )[1:]


def fault(found: Sequence[float], loop: Loop, *, last: bool = False) -> str:
    """Return what is wrong with the products that were found, in one sentence; empty: nothing.

    Each rounding in float32 is off by 2⁻²⁴ at most, so product n by (1 + 2⁻²⁴)ⁿ - 1; by a power of two there is none.

    Args:
        found: each product, or the last alone.
        loop: the loop.
        last: whether it is the last alone.
    """
    true = products(loop)[-1:] if last else products(loop)
    first = loop.steps if last else 1
    if len(found) != len(true):
        return f"{len(found)} products of {loop.steps} steps, not {len(true)}"
    is_exact = math.frexp(loop.w)[0] == 0.5  # W is a power of two
    for number, (value, truth) in enumerate(zip(found, true, strict=True), start=first):
        bound = 0.0 if is_exact else ((1 + ROUNDING) ** number - 1) * abs(truth)
        if not abs(value - truth) <= bound:
            return f"product {number} of {loop.steps} is {value!r}, not {truth!r}"
    return ""


def cost(told: Mapping[str, Any]) -> Cost:
    """Return the times of a loop from what its program told."""
    every, last = told["every"], told["last"]
    a, b = ([ns / each["calls"] for ns in each["round_ns"]] for each in (every, last))
    ratios = [one / other for one, other in zip(a, b, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Cost(
        steps=told["steps"],
        every_ns=statistics.median(a),
        last_ns=statistics.median(b),
        ratio=statistics.median(ratios),
        low=low,
        high=high,
        cpu_share=sum(every["cpu_ns"] + last["cpu_ns"]) / sum(every["round_ns"] + last["round_ns"]),
        every_first_ns=every["first_ns"],
        last_first_ns=last["first_ns"],
    )


def faults_of_times(told: Mapping[str, Any], loop: Loop) -> str:
    """Return the first fault among the values of a program that was timed, from before and after its rounds."""
    of_every = (fault(values, loop) for values in told["every"]["values"])
    of_last = (fault(values, loop, last=True) for values in told["last"]["values"])
    return next(filter(None, itertools.chain(of_every, of_last)), "")
