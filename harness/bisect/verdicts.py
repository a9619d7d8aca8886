"""What a measurement tells apart. Pure: numbers from runs come in, verdicts on pairs of versions go out.

The rules are those of every table (`harness.stats.pairs`): the interval lies outside the noise floor, Holm's procedure
over all pairs of the measurement rejects that the ratio is 1, and so do the flips of signs. Where earlier measurements
held the same two versions, their blocks count, too. Bits are told apart where they are not equal.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.bisect.facts import Measure, Measurement
from harness.bisect.search import Pair, Seen
from harness.stats import pairs
from harness.stats.estimate import Estimate

# By what is compared: what is said of the newer version where it has more of it, and where it has less.
WORDS: Final[Mapping[Measure, tuple[str, str]]] = {
    "step": ("slower", "faster"),
    "first-step": ("slower", "faster"),
    "memory": ("larger", "smaller"),
}
OTHER_BITS: Final = "other bits"
EQUAL_BITS: Final = "equal bits"
NOT_TOLD: Final = ("same", "undetermined", EQUAL_BITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A pair of versions, and what is told of it."""

    older: str
    newer: str
    word: str  # of the newer version
    ratio: Estimate | None = None  # newer ÷ older; None: of bits

    @property
    def pair(self) -> Pair:
        """Both versions."""
        return self.older, self.newer

    @property
    def is_apart(self) -> bool:
        """Whether a difference is told apart."""
        return self.word not in NOT_TOLD

    @property
    def size(self) -> float:
        """How far they are apart: the logarithm of the ratio, without its sign; of bits 1."""
        return abs(math.log(self.ratio.value)) if self.ratio else 1.0


def told(measurements: Sequence[Measurement], measure: Measure) -> tuple[Told, ...]:
    """Return what the last measurement tells of each pair of its versions, with the blocks of those before it."""
    last = measurements[-1]
    if measure == "bits":
        bits = {each.version: each.fingerprint for each in last.bits}
        return tuple(
            Told(older=a, newer=b, word=EQUAL_BITS if bits[a] == bits[b] else OTHER_BITS)
            for a, b in itertools.combinations(last.held, 2)
        )
    blocks: dict[Pair, list[float]] = {(ratio.older, ratio.newer): [] for ratio in last.ratios}
    floor = last.floor
    for measurement in measurements:
        for ratio in measurement.ratios:
            if (ratio.older, ratio.newer) in blocks:
                blocks[ratio.older, ratio.newer] += ratio.by_block
                floor = max(floor, measurement.floor)
    compared = {pair: pairs.paired(ratios) for pair, ratios in blocks.items() if ratios}
    verdicts = pairs.verdicts(list(compared.values()), floor)
    more, less = WORDS[measure]
    words = {"slower": more, "faster": less}
    return tuple(
        Told(older=pair[0], newer=pair[1], word=words.get(verdict, verdict), ratio=found.ratio)
        for (pair, found), verdict in zip(compared.items(), verdicts, strict=True)
    )


def seen(measurements: Sequence[Measurement], measure: Measure) -> tuple[Seen, ...]:
    """Return what the search needs of each measurement, in their order."""
    return tuple(
        Seen(
            held=measurements[number].held,
            apart={each.pair: each.size for each in told(measurements[: number + 1], measure) if each.is_apart},
        )
        for number in range(len(measurements))
    )
