"""How long the statistics of a large run take: arguments [REPLICATES] [ROUNDS].

Everything that a steps table computes, for cells of 20 replicates each beside one baseline.
"""

import resource
import sys
import time

import numpy as np

from bench.records.record import Timing
from harness.stats import estimate, flags, pairs, rounds, spread
from tests.factories import timing

REPLICATES_OF_A_CELL = 20


def cell(rng: np.random.Generator, count: int) -> list[Timing]:
    """The replicates of one cell, as they would be read from records."""
    levels = 100_000 * rng.lognormal(0, 0.02, (REPLICATES_OF_A_CELL, 1))
    drawn = (levels * rng.lognormal(0, 0.02, (REPLICATES_OF_A_CELL, count))).astype(int)
    return [timing(round_ns=tuple(one)) for one in drawn.tolist()]


def main(replicates: int, count: int) -> None:
    """Print seconds and memory."""
    rng = np.random.default_rng(1)
    cells = [cell(rng, count) for _ in range(replicates // REPLICATES_OF_A_CELL)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    baseline: dict[int, float] = {}
    table = []
    for timings in cells:
        seen = flags.alike(timings)
        steps = [step for one in timings if (step := estimate.step_ns(one)) is not None]
        by_block = dict(enumerate(steps))
        baseline = baseline or by_block
        estimate.estimate(steps)
        flags.flags(timings, "cpu")
        flags.shapes(seen)
        spread.between(steps)
        [float(np.median(rounds.spread(one))) for one in seen]
        if pair := pairs.pair(by_block, baseline):
            table.append(pair)
    pairs.verdicts(table)
    spent = time.process_time() - begin
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{replicates} replicates × {count} rounds: {spent:.1f} s of CPU time, peak {after >> 10} MiB", end=" ")
    print(f"(of it {before >> 10} MiB before: the replicates themselves)")


if __name__ == "__main__":
    asked = [int(one) for one in sys.argv[1:]]
    main(*asked, *(100_000, 30)[len(asked) :])
