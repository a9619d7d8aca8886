"""What a bisection says: its beginning, each measurement, and the answer."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.bisect import search, verdicts
from harness.bisect.asked import what
from harness.bisect.facts import Asked, Bisection, Measure, Measurement, Outcome
from harness.bisect.folder import BisectFolder
from harness.bisect.search import Found
from harness.bisect.verdicts import EQUAL_BITS, Told
from harness.format import listed, ratio
from harness.stats.estimate import Estimate
from harness.terminal import shell

TITLES: Final[Mapping[Measure, str]] = {
    "step": "time of a step",
    "first-step": "time of the first step",
    "memory": "peak memory",
    "bits": "bits",
}
MOST_CHANGES: Final = 12  # distributions that are named in a line; bisect.json has all


def beginning(bisection: Bisection) -> Iterator[str]:
    """Yield what is bisected, and how many measurements that takes."""
    versions = bisection.versions
    yield (
        f"{bisection.id}: {bisection.distribution} {versions[0]} to {versions[-1]}, {len(versions)} published versions:"
        f" {TITLES[bisection.asked.measure]} of {bisection.asked.framework} {what(bisection.asked)}"
    )
    count = search.most(len(versions))
    yield (
        f"{count} {_plural('measurement', count)} of up to {min(len(versions), search.PROBES + 2)} versions each;"
        " more where a version is not told apart from either end"
    )


def begins(measurement: int, versions: Sequence[str]) -> str:
    """Return that a measurement begins."""
    return f"Measurement {measurement}: {', '.join(versions)}"


def told(measurement: Measurement, verdicts: Sequence[Told]) -> Iterator[str]:
    """Yield what a measurement says: of its neighbours, and of its ends."""
    by_pair = {each.pair: each for each in verdicts}
    held = measurement.held
    shown = [*itertools.pairwise(held)]
    if len(held) > 2:
        shown.append((held[0], held[-1]))
    for pair in shown:
        if each := by_pair.get(pair):
            figure = f"  {estimate(each.ratio)}" if each.ratio else ""
            yield f"  {pair[0]} → {pair[1]}{figure}  {each.word}"
    for failed in measurement.failed:
        yield f"  {failed.version}: left out: {failed.reason}"


def estimate(of: Estimate | None) -> str:
    """Return a ratio with its interval: "1.051 (1.044 to 1.058)"."""
    if of is None:
        return ""
    interval = f" ({ratio(of.interval.low)} to {ratio(of.interval.high)})" if of.interval else ""
    return f"{ratio(of.value)}{interval}"


def answer(bisection: Bisection, step: search.Answer, verdict: Told | None, outcome: Outcome) -> Iterator[str]:
    """Yield the sentences that the bisection ends with.

    Args:
        bisection: all of it.
        step: what the search has found.
        verdict: on the pair of the answer, by all blocks; None: an end was not measured.
        outcome: the same as bisect.json has it.
    """
    asked, distribution = bisection.asked, bisection.distribution
    subject = f"{asked.framework} {what(asked)}"
    if not isinstance(step, Found):
        yield f"{distribution} {step.older} and {step.newer}: {_nothing(verdict, asked)} in {subject}."
        return
    name = f"{distribution} {step.older} → {step.newer}"
    word = verdict.word if verdict and not step.lost else "told apart once, and not again"
    yield f"{name}: {word}: {_difference(verdict, asked)} of {subject}."
    yield from _caveats(bisection, step)
    if outcome.changed:
        more = len(outcome.changed) - MOST_CHANGES
        rest = f", and {more} more" if more > 0 else ""
        yield f"In the same environments also: {', '.join(outcome.changed[:MOST_CHANGES])}{rest}."
    else:
        yield f"Nothing else differs between their environments than {distribution}."


def looking(folder: BisectFolder, bisection: Bisection, outcome: Outcome) -> Iterator[str]:
    """Yield the commands that show the runs."""
    last = holding(bisection, outcome)
    if last is None:
        return
    run = shell.path(folder.path / last.run)
    yield f"The run that holds both: {shell.samestep('report', run)}"
    if bisection.asked.measure in ("step", "first-step"):
        a, b = f"{run}:variant={outcome.older}", f"{run}:variant={outcome.newer}"
        yield f"These two alone: {shell.samestep('compare', a, b)}"
    yield f"Every step of the search: {shell.path(folder.path / 'bisect.json')}"


def holding(bisection: Bisection, outcome: Outcome) -> Measurement | None:
    """Return the last measurement that holds both versions of the answer; None: there is none."""
    pair = {outcome.older, outcome.newer}
    return next((each for each in reversed(bisection.measurements) if pair <= {*each.held}), None)


def _nothing(verdict: Told | None, asked: Asked) -> str:
    if asked.measure == "bits":
        return "equal to the last bit"
    if verdict is None:
        return "not compared, for no block has both,"
    figure = f"{TITLES[asked.measure]} {estimate(verdict.ratio)}"
    if verdict.word == "same":
        return f"the same within 1 %, {figure}"
    return f"not told apart, {figure}; more blocks (--blocks 20) tell smaller differences,"


def _difference(verdict: Told | None, asked: Asked) -> str:
    if verdict is None or verdict.ratio is None:
        return "not equal to the last bit any more: losses and parameters"
    return f"{estimate(verdict.ratio)} times the {TITLES[asked.measure]}"


def _caveats(bisection: Bisection, found: Found) -> Iterator[str]:
    """Yield what the answer does not say by itself."""
    if found.failed:
        reasons = {each.version: each.reason for each in bisection.failed}
        yield f"Between them, not measured: {'; '.join(f'{name}: {reasons[name]}' for name in found.failed)}."
    if found.undecided:
        yield f"Between them, told apart from neither: {listed(found.undecided)}."
    if found.failed or found.undecided:
        yield f"So the change came with one of {listed(_after(bisection.versions, found))}."
    if not found.ends_apart:
        yield _ends(bisection)
    if found.others:
        pairs = (f"{older} → {newer}" for older, newer in found.others)
        yield f"Not the only one: a difference appears in {listed(tuple(pairs))}, too."


def _ends(bisection: Bisection) -> str:
    """Return what the first measurement says of the two ends, which it has not told apart."""
    ends = (bisection.versions[0], bisection.versions[-1])
    measured = verdicts.told(bisection.measurements[:1], bisection.asked.measure)
    found = next((each for each in measured if each.pair == ends), None)
    if found is None:
        return f"The ends, {listed(ends)}, were not compared."
    if found.word in ("same", EQUAL_BITS):
        figure = f"the same within 1 %, {estimate(found.ratio)}" if found.ratio else "equal to the last bit"
        return f"The ends, {listed(ends)}, are {figure}: what changed here was undone, or made up for."
    return f"Whether the ends, {listed(ends)}, differ is not told, {estimate(found.ratio)}; more blocks tell."


def _after(versions: Sequence[str], found: Found) -> tuple[str, ...]:
    return (*search.between(versions, (found.older, found.newer)), found.newer)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
