"""A claim about frameworks: its parts, how each of them is judged, and the verdict that follows.

    part      one figure; it agrees with the claim, contradicts it, or tells nothing (None)
    finding   the parts that a run has, and what it lacks
    verdict   one part contradicts: it does not hold here; all agree and nothing is lacking: it holds; else not told

A part that rests on times is judged as any other ratio of a run is: with Holm's procedure over all of them, by
`harness.stats.pairs`. A first look judges none of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, Literal, TypeVar

from harness.stats import estimate, pairs
from harness.stats.estimate import Estimate
from harness.stats.pairs import Pair

Verdict = Literal["holds", "does not hold here", "not told"]
Side = Literal["below", "above"]
HOLDS: Final[Verdict] = "holds"
FAILS: Final[Verdict] = "does not hold here"
NOT_TOLD: Final[Verdict] = "not told"
AGREES: Final[Mapping[str, Side]] = {"faster": "below", "slower": "above"}  # the side on which such a ratio lies

E = TypeVar("E", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A ratio of times, and the side of a limit on which the claim has it."""

    ratio: Estimate
    pair: Pair  # of the ratio ÷ the limit, which is what is tested
    limit: float  # 1: the claim is that one of the two is faster
    claimed: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One figure that the claim says something about."""

    subject: str  # what the figure is of, such as "PyTorch compile"
    work: str = ""  # on which it was measured, in words; empty: it needs no name
    figure: str = ""  # as text; empty: that of the comparison
    comparison: Comparison | None = None  # None: `agrees` needs no test
    agrees: bool | None = None  # with the claim; None: not told
    counts: bool = True  # False: it is shown and the verdict does not rest on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a run has on one claim."""

    parts: tuple[Part, ...] = ()
    lacking: tuple[str, ...] = ()  # what the claim names and the run has no good cell of
    unusable: tuple[str, ...] = ()  # cells that it needs and that have no result: name and status


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Generic[E]):
    """A claim as people make it."""

    id: str
    words: str
    figures: str  # what the figures are
    rule: Callable[[E], Finding]
    command: tuple[str, ...]  # arguments of `samestep` that measure it; empty: this version cannot
    why: str = ""  # what this version lacks to measure it


def judged(findings: Sequence[Finding], floor: float) -> tuple[Finding, ...]:
    """Return `findings` with every comparison judged.

    Args:
        findings: those of all claims, one printed table.
        floor: noise floor of the run, a relative difference.
    """
    tested = [part.comparison for finding in findings for part in finding.parts if part.comparison and part.counts]
    verdicts = iter(pairs.verdicts([comparison.pair for comparison in tested], floor))

    def judge(part: Part) -> Part:
        if part.comparison is None or not part.counts:
            return part
        return replace(part, agrees=_agrees(part.comparison, next(verdicts)))

    return tuple(replace(finding, parts=tuple(map(judge, finding.parts))) for finding in findings)


def verdict(finding: Finding) -> Verdict | None:
    """Return what the parts say together; None: the run has no cells for the claim."""
    told = [part.agrees for part in finding.parts if part.counts]
    if False in told:
        return FAILS
    if not told:
        return NOT_TOLD if finding.unusable or finding.parts else None
    return NOT_TOLD if None in told or finding.lacking else HOLDS


def _agrees(comparison: Comparison, said: estimate.Verdict) -> bool | None:
    """Return whether a ratio judged as `said` is on the claimed side of its limit; None: not told."""
    if said in AGREES:
        return AGREES[said] == comparison.claimed
    return False if said == "same" and comparison.limit == 1 else None  # as fast is not faster
