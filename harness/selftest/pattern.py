"""A process that holds known amounts of memory: steps of 64 MiB, a spike of 512 MiB for 1 ms, a release.

Run as `python -m harness.selftest.pattern`; prints its own sizes in bytes, from /proc, as JSON.
"""

import json
import mmap
import time

from bench.turns.environment import peak_resident_bytes, resident_bytes

STEP_BYTES = 64 << 20
STEPS = 4
SPIKE_BYTES = 512 << 20
HOLD_S = 0.3  # each step, long enough for the sampler
SPIKE_S = 0.001


def held(size: int) -> mmap.mmap:
    """Return memory whose every page is resident."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)


def main() -> None:
    """Go through the pattern."""
    before = resident_bytes()
    steps = []
    for _ in range(STEPS):
        steps.append(held(STEP_BYTES))
        time.sleep(HOLD_S)
    spike = held(SPIKE_BYTES)
    time.sleep(SPIKE_S)
    spike.close()
    for step in steps:
        step.close()
    time.sleep(HOLD_S)
    print(json.dumps({"before": before, "peak": peak_resident_bytes(), "after": resident_bytes()}))


if __name__ == "__main__":
    main()
