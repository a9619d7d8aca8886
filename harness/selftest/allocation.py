"""Is a known pattern of allocations reported with its peak? The process's own high-water mark, and the sampled one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from harness.environments import checkout
from harness.errors import OK, SOME_FAILED
from harness.samplers.observer import Observer
from harness.selftest.pattern import SPIKE_BYTES, STEP_BYTES, STEPS

MIB: Final = 1 << 20
WITHIN: Final = 0.01  # of the peak
WITHIN_BYTES: Final = 2 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was known, and what was reported."""

    known_peak_bytes: int
    own_peak_bytes: int  # VmHWM, as a replicate reports it
    sampled_peak_bytes: int  # the most that a look at 10 Hz saw resident
    left_bytes: int  # still held when all had been released

    @property
    def is_exact(self) -> bool:
        """Whether the high-water mark is within 1 % or 2 MiB of what is known."""
        return abs(self.own_peak_bytes - self.known_peak_bytes) <= max(WITHIN * self.known_peak_bytes, WITHIN_BYTES)

    @property
    def is_bound(self) -> bool:
        """Whether the sampled peak is what it is called: a lower bound, and all that lasted."""
        lasting = self.known_peak_bytes - SPIKE_BYTES
        return (1 - WITHIN) * lasting <= self.sampled_peak_bytes <= self.own_peak_bytes


def run() -> int:
    """Measure, print, and return the exit code: 3 when the peak is not the known one."""
    found = measure()
    print(f"known peak                     {found.known_peak_bytes / MIB:8.1f} MiB, its last 512 MiB for 1 ms")
    print(f"high-water mark (VmHWM)        {found.own_peak_bytes / MIB:8.1f} MiB")
    print(f"sampled at 10 Hz, lower bound  {found.sampled_peak_bytes / MIB:8.1f} MiB")
    print(f"left after the release         {found.left_bytes / MIB:8.1f} MiB")
    good = found.is_exact and found.is_bound
    print(f"target (the mark within 1 % or 2 MiB, the samples below it): {'met' if good else 'missed'}")
    return OK if good else SOME_FAILED


def measure() -> Found:
    """Run the pattern under the sampler."""
    with Observer(device="cpu", gpu="", say=print).watch("selftest") as watch:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.selftest.pattern"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(checkout.ROOT)},
        )
        watch.started(process.pid)
        printed, _ = process.communicate(timeout=120)
    own = json.loads(printed)
    return Found(
        known_peak_bytes=own["before"] + STEPS * STEP_BYTES + SPIKE_BYTES,
        own_peak_bytes=own["peak"],
        sampled_peak_bytes=watch.observation().host_tree_peak_rss_bytes or 0,
        left_bytes=own["after"] - own["before"],
    )
