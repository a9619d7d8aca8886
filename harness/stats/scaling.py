"""The figures of a data-parallel step: its efficiency, the share of the exchange, and what all its ranks hold.

Over n ranks a step takes tₙ, and t₁ over one rank of the same strategy. Of strong scaling, where the ranks share the
batch of one, the efficiency is t₁ ÷ (n tₙ); of weak scaling, where each rank has a batch of its own, it is t₁ ÷ tₙ
(Amdahl 1967, "Validity of the single processor approach to achieving large scale computing capabilities", AFIPS;
Gustafson 1988, "Reevaluating Amdahl's law", Comm. ACM 31). n times the efficiency is the speed-up in samples a second,
of either.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from bench.catalogue import WEAK
from bench.records.parallel import Parallel
from bench.records.record import Timing

MOST_OVERHEAD: Final = 1.05  # one rank of a strategy ÷ the plain step: more than that is said


def efficiency(ratios: Mapping[int, float], ranks: int, scaling: str) -> dict[int, float]:
    """Return the efficiency in each block.

    Args:
        ratios: time per step over `ranks` ÷ that over one rank, by block.
        ranks: of the step.
        scaling: "strong" or "weak".
    """
    share = 1 if scaling == WEAK else ranks
    return {block: 1 / (share * ratio) for block, ratio in ratios.items()}


def communication(parallel: Parallel, timing: Timing) -> float | None:
    """Return the share of a replicate's step that it would not take without the exchange; None: not measured.

    It is 1 − t(without) ÷ t(with). Rounds with and without the exchange that took turns are compared with their
    neighbours in time; where none took turns, the medians are. Noise makes it negative where the exchange costs hardly
    anything, and so it does where the step without it is the slower one.
    """
    without, beside = parallel.unsynchronised_round_ns, parallel.synchronised_round_ns
    if not without:
        return None
    if beside:
        logs = [math.log(bare / whole) for bare, whole in zip(without, beside, strict=False)]
        return 1 - math.exp(statistics.median(logs))
    return 1 - statistics.median(without) / statistics.median(timing.round_ns) if timing.round_ns else None


def memory_bytes(parallel: Parallel, of_leader: int | None) -> int | None:
    """Return the sum of the peaks of all processes of a replicate; None: one of them is not known.

    Args:
        parallel: with the peak of each rank.
        of_leader: peak of the process that times, which is all of them where one process has all devices.
    """
    peaks: Sequence[int | None] = [rank.peak_rss_bytes for rank in parallel.placed]
    if parallel.processes == 1:
        peaks = [of_leader]
    known = [peak for peak in peaks if peak is not None]
    return sum(known) if known and len(known) == len(peaks) else None


def agrees(parallel: Parallel) -> bool | None:
    """Return whether all ranks held the same parameters to the last bit; None: of fewer than two they are known."""
    digests = [rank.parameters_sha256 for rank in parallel.placed if rank.parameters_sha256]
    return len(set(digests)) == 1 if len(digests) > 1 else None
