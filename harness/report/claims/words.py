"""What a run measured for a claim, as one sentence; and what it would take to tell it."""

from collections.abc import Sequence
from typing import Any, Final

from harness.format import listed, significant, span, times
from harness.report.claims.claim import NOT_TOLD, Claim, Finding, Part, Verdict
from harness.report.words import FEW
from harness.stats.estimate import Estimate

MARKS: Final = {True: "agrees", False: "contradicts", None: "not told"}
COUNTED: Final = {True: "agree", False: "contradict", None: "not told"}


def measured(figures: str, finding: Finding, verdict: Verdict | None, *, is_first_look: bool) -> str:
    """Return the figures of `finding`, one part after the other; where that tells nothing, the cells without a result.

    Args:
        figures: what they are.
        finding: each part says in brackets whether it agrees with the claim.
        verdict: what the parts say together.
        is_first_look: ratios say nothing of the kind, because none is judged.
    """
    groups: dict[str, list[Part]] = {}
    for part in finding.parts:
        groups.setdefault(part.subject, []).append(part)
    texts = [_group(subject, parts, is_first_look=is_first_look) for subject, parts in groups.items()]
    shown = f"{figures}: {'; '.join(texts)}" if texts else ""
    without = f"without a result: {listed(finding.unusable)}" if finding.unusable and verdict == NOT_TOLD else ""
    return ". ".join(filter(None, (_capital(shown), _capital(without))))


def needs(claim: Claim[Any], finding: Finding, verdict: Verdict | None, *, is_first_look: bool) -> str:
    """Return what it would take to tell the claim, without the command; empty where it is told."""
    if verdict is None:
        return claim.why or "cells that this run does not have"
    if verdict != NOT_TOLD:
        return ""
    untold = [part for part in finding.parts if part.agrees is None and part.counts]
    lacking = f"results of {listed(finding.lacking)}" if finding.lacking else ""
    if is_first_look and any(part.comparison for part in untold):
        return listed(list(filter(None, ("six blocks", lacking))))
    if not finding.parts and not lacking:
        return "a result of these cells"
    more = "more blocks" if any(part.comparison for part in untold) else ""
    return listed(list(filter(None, (more, lacking))))


def _group(subject: str, parts: Sequence[Part], *, is_first_look: bool) -> str:
    """Return the parts of one subject: a few one by one, of many their range and how many agree."""
    if len(parts) <= FEW:
        shown = [
            " ".join(filter(None, (part.work if len(parts) > 1 else "", _figure(part, is_first_look=is_first_look))))
            for part in parts
        ]
        return f"{subject} {listed(shown)}"
    values = [part.comparison.ratio.value for part in parts if part.comparison]
    counts = "" if is_first_look else f" ({_counts(parts)})"
    return f"{subject} {times(min(values))} to {times(max(values))} on {len(parts)} works{counts}"


def _counts(parts: Sequence[Part]) -> str:
    """Return how many of `parts` agree, contradict and are not told; a few that contradict are named."""
    counts = [(sum(part.agrees is answer for part in parts), word) for answer, word in COUNTED.items()]
    against = [
        f"{part.work} {_ratio(part.comparison.ratio)[0]}" for part in parts if part.agrees is False and part.comparison
    ]
    named = {COUNTED[False]: f": {listed(against)}"} if len(against) <= FEW else {}
    return ", ".join(f"{count} {word}{named.get(word, '')}" for count, word in counts if count)


def _figure(part: Part, *, is_first_look: bool) -> str:
    """Return the figure of one part, in brackets its interval and whether it agrees with the claim."""
    is_judged = part.counts and not (part.comparison and is_first_look)
    mark = MARKS[part.agrees] if is_judged else ""
    if part.comparison is None:
        return f"{part.figure} ({mark})" if mark else part.figure
    value, interval = _ratio(part.comparison.ratio)
    inside = ", ".join(filter(None, (interval, mark)))
    return f"{value} ({inside})" if inside else value


def _ratio(estimate: Estimate) -> tuple[str, str]:
    """Return a ratio and its interval; an interval too wide for one number stands for it."""
    if estimate.interval is None:
        return times(estimate.value), ""
    low, high = estimate.interval.low, estimate.interval.high
    return (f"{span(low, high)}×", "") if estimate.is_wide else (times(estimate.value), _ends(low, high))


def _ends(low: float, high: float) -> str:
    return f"{significant(low)} to {significant(high)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
