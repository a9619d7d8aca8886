"""Work for `selftest sampler`: the same short step until standard input closes, then when each began, in ns.

Run as `python -m harness.selftest.steps`. It prints nothing while it works, because a reader would disturb it.
"""

import gc
import select
import sys
import time

import numpy as np

STEPS_PER_LOOK = 100  # between two looks at standard input


def main() -> None:
    """Work; then print the beginning of each step on the monotonic clock, and last the end."""
    matrix = np.random.default_rng(0).standard_normal((160, 160)).astype(np.float32)
    vector = np.ones((160, 8), np.float32)
    begun: list[int] = []
    gc.disable()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(STEPS_PER_LOOK):
            begun.append(time.perf_counter_ns())
            for _ in range(4):
                product = matrix @ vector
                vector = product / np.abs(product).max()
    begun.append(time.perf_counter_ns())
    print(*begun, sep="\n")


if __name__ == "__main__":
    main()
