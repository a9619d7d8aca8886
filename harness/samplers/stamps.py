"""The time stamps of the samples in the driver's buffers, as Unix time.

NVML says that they are microseconds, and not of which clock. On Linux drivers of today it is the boot clock
(CLOCK_BOOTTIME), on older ones Unix time, and it may be the monotonic one. The newest sample of a batch is a fraction
of a second old: so the clock is the one that was at the newest stamp less than that ago. The three are years apart, or
the time that the host was suspended. Where none of them fits, the newest sample counts as taken now, which is wrong by
its age at most, and the distances between samples stay.
"""

import time
from typing import Final

NEWEST_NS: Final = 1_000_000_000  # no newest sample of a batch is older; the driver samples every 20 to 100 ms
AHEAD_NS: Final = 100_000_000  # a stamp may lie so far ahead: it was read before the clocks

Clocks = tuple[int, ...]  # what each clock says now, in ns; the first is Unix time


def clocks() -> Clocks:
    """Return Unix time, the time since the start of the host, and that without the time of suspension."""
    return time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def unix_ahead_ns(newest_us: int, now: Clocks) -> int:
    """Return what has to be added to the stamps of a batch, in ns, to make Unix time of them.

    Args:
        newest_us: the newest stamp of the batch.
        now: the clocks, read after the batch.
    """
    ages = [(clock - newest_us * 1000, clock) for clock in now]
    fitting = [(abs(age), clock) for age, clock in ages if -AHEAD_NS <= age <= NEWEST_NS]
    return now[0] - (min(fitting)[1] if fitting else newest_us * 1000)
