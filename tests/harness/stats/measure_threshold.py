"""What do answers by a threshold find, and how often are they wrong? Simulated tables, for decision 27: [TABLES].

Each replicate has a level of its own, spread by σ. Two sessions are independent samples; runs side by side share what
the machine does to a block, and are compared by the ratios of their blocks.
"""

import sys
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.stats import moderated, pairs
from harness.stats.estimate import FEW_BLOCKS
from harness.stats.pairs import Pair
from harness.stats.threshold import answers
from harness.stats.welch import unpaired

FLOOR: Final = 0.01  # noise floor of a quiet session
MACHINE: Final = 0.05  # standard deviation of what the machine does to a whole block


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was said of many tables."""

    false: float  # share of tables in which a cell is called slower or faster that is not beyond the threshold
    found: float  # share of the planted cells that are called slower


def told(
    cells: int, blocks: int, sigma: float, *, planted: float, threshold: float = 0.1, paired: bool, tables: int
) -> Told:
    """Return what is said of tables in which the first cell is slower by `planted`, and the others are the same."""
    rng = np.random.default_rng(1)
    wrong = found = 0
    for _ in range(tables):
        logs = rng.normal(0, sigma, (2, cells, blocks))
        if paired:
            logs += rng.normal(0, MACHINE, (1, 1, blocks))
        times = np.exp(logs)
        times[1, 0] *= 1 + planted
        said = answers(_pairs(times, paired=paired), threshold, FLOOR)
        is_beyond = planted > threshold
        found += said[0] == "slower" and is_beyond
        wrong += any(answer in ("slower", "faster") for answer in (said[1:] if is_beyond else said))
    return Told(false=wrong / tables, found=found / tables)


def _pairs(times: np.ndarray[tuple[int, int, int], np.dtype[np.float64]], *, paired: bool) -> list[Pair]:
    """Compare both sides of a table, shape (sides, cells, blocks), as `harness.compare.compare` does."""
    blocks = times.shape[-1]
    if paired:
        ratios = (times[1] / times[0]).tolist()
        prior = moderated.prior(ratios) if blocks < FEW_BLOCKS else None
        return [prior.pair(of) if prior else pairs.paired(of) for of in ratios]
    prior = moderated.prior(times.reshape(-1, blocks).tolist()) if blocks < FEW_BLOCKS else None
    return [unpaired(b, a, prior) for a, b in zip(*times.tolist(), strict=True)]


def main(tables: int) -> None:
    """Print the tables of decision 27."""
    print("| compared | cells | blocks | σ | A/A wrong | A/A wrong at 1 % | +10 % called slower | +15 % found |")
    for paired in (False, True):
        for cells in (1, 4, 13, 40):
            for blocks in (2, 3, 5, 6, 10):
                for sigma in (0.005, 0.01, 0.015, 0.03):
                    few = max(200, tables // cells)
                    shape = (cells, blocks, sigma)
                    same = told(*shape, planted=0, paired=paired, tables=few)
                    strict = told(*shape, planted=0, threshold=0.01, paired=paired, tables=few)
                    edge = told(*shape, planted=0.1, paired=paired, tables=few)
                    slower = told(*shape, planted=0.15, paired=paired, tables=few)
                    shares = (same.false, strict.false, edge.false, slower.found)
                    print(
                        f"| {'side by side' if paired else 'two sessions'} | {cells} | {blocks} | {100 * sigma:.1f} % |"
                        f" {' | '.join(f'{100 * share:.1f} %' for share in shares)} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
