"""Figures of memory from the readings of a process: peaks, growth with every step, fragmentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.records.record import Memory, Moment, Reading, Record
from harness.stats.distributions import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE: Final = 0.95
FEWEST_READINGS: Final = 5  # for a slope
# The kernel adds up a process's pages in batches for each processor, so that a resident set is off by tens of pages
# (proc(5), statm): less growth than that in all rounds together is not growth.
RESIDENT_WITHIN: Final = 256 << 10
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a step adds, by the Theil-Sen estimator (Sen 1968), which one wrong reading does not change."""

    per_step: float  # bytes
    low: float  # of its 95 % interval
    high: float
    is_seen: bool  # the interval lies above 0, and the growth in all rounds is above the error of a reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The memory of one replicate; None: not applicable or not measured."""

    context_bytes: int | None = None
    allocated_peak_bytes: int | None = None
    reserved_peak_bytes: int | None = None
    device_peak_bytes: int | None = None  # O, seen from outside the process
    device_allocations_warmup: int | None = None
    device_allocations_timed: int | None = None
    residue_bytes: int | None = None  # allocated once the model was deleted
    emptied_bytes: int | None = None  # reserved once the cache was emptied
    exit_bytes: int | None = None  # on the device once the process had ended, above what was there before
    fragmentation: float | None = None  # share of what is reserved and free that is not in its largest block
    host_peak_rss_bytes: int | None = None  # of the whole life of the process
    import_rss_bytes: int | None = None
    build_rss_bytes: int | None = None
    training_peak_rss_bytes: int | None = None  # from the first step to the last, without the check
    host_residue_bytes: int | None = None  # resident once the model was deleted, above what was before it was built
    own_bytes: int | None = None  # of the suite itself, part of the host's figures from the build on
    growth: Growth | None = None  # of what is allocated
    host_growth: Growth | None = None  # of the resident set
    why: str = ""  # why the allocator's figures are missing; empty: they are not

    @property
    def reserved_per_allocated(self) -> float | None:
        """Return R / A."""
        a, r = self.allocated_peak_bytes, self.reserved_peak_bytes
        return r / a if a and r is not None else None

    @property
    def unexplained_bytes(self) -> int | None:
        """Return O − R − context."""
        outer, reserved, context = self.device_peak_bytes, self.reserved_peak_bytes, self.context_bytes
        return None if outer is None or reserved is None or context is None else outer - reserved - context


def figures(record: Record, used: pd.DataFrame | None) -> Figures:
    """Return the figures of one replicate; `used`: the samples of device memory; None: there are none."""
    memory = record.memory
    if memory is None:
        return Figures()
    if not memory.readings:
        return _unread(memory)
    readings = memory.readings
    rounds = [reading for reading in readings if reading.moment == "round"]
    last = rounds[-1] if rounds else readings[-1]
    deleted, emptied = at(readings, "deleted"), at(readings, "emptied")
    imported, device, built = (at(readings, moment) for moment in ("import", "device", "build"))
    warm = at(readings, "warm-up")
    training = [reading.rss_peak_bytes for reading in readings if reading.moment in ("first step", "warm-up", "round")]
    allocations_warmup = warm.allocator.device_allocations if warm else None
    observed = record.observation
    before, after = (observed.device_before_bytes, observed.device_after_bytes) if observed else (None, None)
    return Figures(
        context_bytes=_context(memory, device, used, before),
        allocated_peak_bytes=most(reading.allocator.allocated_peak_bytes for reading in readings),
        reserved_peak_bytes=most(reading.allocator.reserved_peak_bytes for reading in readings),
        device_peak_bytes=_outer_peak(record),
        device_allocations_warmup=allocations_warmup,
        device_allocations_timed=_less(last.allocator.device_allocations, allocations_warmup),
        residue_bytes=deleted.allocator.allocated_bytes if deleted else None,
        emptied_bytes=emptied.allocator.reserved_bytes if emptied else None,
        exit_bytes=_less(after, before),
        fragmentation=_fragmentation(last),
        host_peak_rss_bytes=memory.host_peak_rss_bytes,
        import_rss_bytes=imported.rss_bytes if imported else None,
        build_rss_bytes=built.rss_bytes if built else None,
        training_peak_rss_bytes=most(training) if None not in training else None,
        host_residue_bytes=deleted.rss_bytes - device.rss_bytes if deleted and device else None,
        own_bytes=memory.own_bytes,
        growth=growth(rounds, [reading.allocator.allocated_bytes for reading in rounds]),
        host_growth=growth(rounds, [reading.rss_bytes for reading in rounds], RESIDENT_WITHIN),
        why=last.allocator.why,
    )


def at(readings: Iterable[Reading], moment: Moment) -> Reading | None:
    """Return the last reading of `moment`."""
    return next((reading for reading in reversed(tuple(readings)) if reading.moment == moment), None)


def growth(rounds: Sequence[Reading], held: Sequence[int | None], within: int = 0) -> Growth | None:
    """Return what a step adds to what was `held` after each of `rounds`; None where they are too few or one is missing.

    Args:
        rounds: the readings, of one replicate.
        held: bytes, for each of them.
        within: error of one reading, in bytes.
    """
    known = [size for size in held if size is not None]
    if len(known) < max(FEWEST_READINGS, len(rounds)):
        return None
    steps = np.array([reading.steps for reading in rounds], dtype=np.float64)
    if steps[0] == steps[-1]:
        return None
    per_step, low, high = slope(steps, np.array(known, dtype=np.float64))
    is_seen = low > 0 and low * (steps[-1] - steps[0]) > within
    return Growth(per_step=per_step, low=low, high=high, is_seen=bool(is_seen))


def slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the Theil-Sen slope of y over x and the ends of its 95 % interval.

    The median of the slopes between all pairs of points, and its interval by Kendall's tau (Sen 1968, "Estimates of the
    regression coefficient based on Kendall's tau", J. Am. Stat. Assoc. 63, equation 2.6). SciPy has it, in a module
    that takes longer to import than a table takes to print.
    """
    first, second = np.triu_indices(len(x), k=1)
    apart = x[first] != x[second]
    slopes = np.sort((y[second] - y[first])[apart] / (x[second] - x[first])[apart])
    ties = [int(count) for values in (x, y) for count in np.unique(values, return_counts=True)[1]]
    variance = (_orders(len(x)) - sum(map(_orders, ties))) / 18
    reach = normal_quantile((1 + CONFIDENCE) / 2) * math.sqrt(max(0, variance))
    low, high = round((len(slopes) - reach) / 2) - 1, round((len(slopes) + reach) / 2)
    return float(np.median(slopes)), float(slopes[max(0, low)]), float(slopes[min(high, len(slopes) - 1)])


def _orders(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)


def _unread(memory: Memory) -> Figures:
    """Return what is known of a replicate that was timed and not read moment by moment."""
    return Figures(
        context_bytes=memory.context_bytes,
        allocated_peak_bytes=memory.allocated_peak_bytes,
        reserved_peak_bytes=memory.reserved_peak_bytes,
        device_peak_bytes=memory.device_peak_bytes,
        device_allocations_warmup=memory.device_allocations_warmup,
        device_allocations_timed=memory.device_allocations_timed,
        residue_bytes=memory.residue_bytes,
        host_peak_rss_bytes=memory.host_peak_rss_bytes,
        import_rss_bytes=memory.host_rss_after_import_bytes,
    )


def _context(memory: Memory, device: Reading | None, used: pd.DataFrame | None, before: int | None) -> int | None:
    """Return what the device held, above `before`, while the replicate rested after its initialisation."""
    if device is None or memory.unix_offset_ns is None or before is None or used is None or used.empty:
        return None
    begin = device.at_ns + memory.unix_offset_ns
    resting = used[(used["t_ns"] >= begin) & (used["t_ns"] <= begin + device.rested_ns)]
    return None if resting.empty else int(resting["value"].max()) - before


def _outer_peak(record: Record) -> int | None:
    """Return the larger of two lower bounds: the device's use above what it was before, and the process's own."""
    observed = record.observation
    if observed is None:
        return record.memory.device_peak_bytes if record.memory else None
    return most((_less(observed.device_peak_bytes, observed.device_before_bytes), observed.device_process_peak_bytes))


def _fragmentation(reading: Reading) -> float | None:
    allocator = reading.allocator
    free = _less(allocator.reserved_bytes, allocator.allocated_bytes)
    if not free or allocator.largest_free_bytes is None:
        return None
    return max(0.0, 1 - allocator.largest_free_bytes / free)


def most(values: Iterable[N | None]) -> N | None:
    """Return the largest of the values that are known; None when none is."""
    return max((value for value in values if value is not None), default=None)


def _less(value: int | None, by: int | None) -> int | None:
    return None if value is None or by is None else value - by
