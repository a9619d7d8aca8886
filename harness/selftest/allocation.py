"""Is the peak of a known pattern of allocations reported? By the process's high-water mark, and by samples."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.turns import variables
from harness.environments import checkout
from harness.errors import OK, SOME_FAILED
from harness.samplers.observer import Observer
from harness.selftest.pattern import SPIKE_BYTES, STEP_BYTES, STEPS

MIB: Final = 1 << 20
WITHIN: Final = 0.01  # of the peak
WITHIN_BYTES: Final = 2 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The known peak, and the reported ones."""

    known_peak_bytes: int
    own_peak_bytes: int  # VmHWM, as a replicate reports it
    sampled_peak_bytes: int  # the largest resident set in the samples at 10 Hz
    left_bytes: int  # still held after the release

    @property
    def is_exact(self) -> bool:
        """Whether the high-water mark is within 1 % or 2 MiB of the known peak."""
        return abs(self.own_peak_bytes - self.known_peak_bytes) <= max(WITHIN * self.known_peak_bytes, WITHIN_BYTES)

    @property
    def is_bound(self) -> bool:
        """Whether the sampled peak is a lower bound, and includes all that lasted longer than the spike."""
        lasting = self.known_peak_bytes - SPIKE_BYTES
        return (1 - WITHIN) * lasting <= self.sampled_peak_bytes <= self.own_peak_bytes


def run() -> int:
    """Measure, print, and return the exit code: 3 when the peak is not the known one."""
    peaks = measure()
    print(f"known peak                     {peaks.known_peak_bytes / MIB:8.1f} MiB, its last 512 MiB for 1 ms")
    print(f"high-water mark (VmHWM)        {peaks.own_peak_bytes / MIB:8.1f} MiB")
    print(f"sampled at 10 Hz, lower bound  {peaks.sampled_peak_bytes / MIB:8.1f} MiB")
    print(f"left after the release         {peaks.left_bytes / MIB:8.1f} MiB")
    good = peaks.is_exact and peaks.is_bound
    print(f"target (the mark within 1 % or 2 MiB, the samples below it): {'met' if good else 'missed'}")
    return OK if good else SOME_FAILED


def measure() -> Peaks:
    """Run the pattern under the sampler."""
    with Observer(device="cpu", gpu="", say=print).watch("selftest") as watch:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.selftest.pattern"],
            stdout=subprocess.PIPE,
            text=True,
            env={**variables.measured(os.environ, Path(tempfile.gettempdir())), "PYTHONPATH": str(checkout.ROOT)},
        )
        watch.started(process.pid)
        printed, _ = process.communicate(timeout=120)
    own = json.loads(printed)
    return Peaks(
        known_peak_bytes=own["before"] + STEPS * STEP_BYTES + SPIKE_BYTES,
        own_peak_bytes=own["peak"],
        sampled_peak_bytes=watch.observation().host_tree_peak_rss_bytes or 0,
        left_bytes=own["after"] - own["before"],
    )
