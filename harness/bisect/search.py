"""Which versions to measure next, or the pair that was sought. Pure: versions and what was told apart, nothing else.

    older end ─ probe ─ probe ─ probe ─ newer end        one measurement, all of it in one run
                      └─ told apart ─┘                   the bracket of the next

The bracket is a pair of versions that one run has told apart: at first the two ends. A measurement holds it and some
probes within it. The next bracket is the narrowest pair that is told apart in it, that with the fewest measured
versions between; of several that with the largest difference. Whatever is told apart differs, so a change lies within
the bracket at any time, whatever the verdicts on other pairs are. Where no version is left within, it is the answer.

A version that cannot be measured is left out. One that is told apart from neither end of the bracket is measured once
more, with the blocks of both measurements, and then left out as well. Either is named with an answer that has it
between.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

PROBES: Final = 3  # within a bracket: with two ends, a control and a drift probe, they narrow fastest for their time
TRIES: Final = 2  # measurements within a bracket that do not place a version, or do not tell its ends apart again

Pair = tuple[str, str]  # older, newer


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one measurement has shown."""

    held: tuple[str, ...]  # versions with a result, oldest first
    apart: Mapping[Pair, float]  # how far apart, for each pair of them that is told apart; any unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A measurement to make."""

    versions: tuple[str, ...]  # oldest first: the bracket, and what is within


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """The first measurement told nothing apart."""

    older: str
    newer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Between these two a difference appears."""

    older: str
    newer: str
    failed: tuple[str, ...]  # versions between them that cannot be measured
    undecided: tuple[str, ...]  # those that no measurement has placed
    others: tuple[Pair, ...]  # where further differences appear, as far as they were seen
    lost: bool  # the last measurements have not told them apart again
    ends_apart: bool  # the first measurement told the two ends apart, too


Answer = Nothing | Found


@dataclass(slots=True)
class _State:
    """The bracket, and what is known of it."""

    versions: Sequence[str]
    bracket: Pair
    tries: Counter[str] = field(default_factory=Counter)  # of versions within the bracket
    lost: int = 0  # measurements in a row that did not tell the bracket apart
    others: list[Pair] = field(default_factory=list)

    def within(self) -> list[str]:
        """Return the versions between those of the bracket."""
        return list(between(self.versions, self.bracket))

    def take(self, seen: Seen) -> None:
        """Narrow the bracket by a measurement."""
        place = {version: number for number, version in enumerate(self.versions)}
        low, high = (place[version] for version in self.bracket)
        told = {pair: size for pair, size in seen.apart.items() if low <= place[pair[0]] < place[pair[1]] <= high}
        if not told:
            self.lost += 1
            self.tries.update(set(seen.held).intersection(self.within()))
            return
        chosen = min(told, key=lambda pair: (len(list(between(seen.held, pair))), -told[pair], place[pair[0]]))
        self.lost = 0
        self.others += _others(told, chosen, seen.held, place)
        self.bracket = chosen
        self.tries.update(set(seen.held).intersection(self.within()))


def decide(
    versions: Sequence[str], failed: Collection[str], seen: Sequence[Seen], *, probes: int = PROBES
) -> Next | Answer:
    """Return the next measurement, or the answer.

    Args:
        versions: two or more, oldest first; the ends are the first and the last.
        failed: those that cannot be measured; neither end is.
        seen: the measurements so far, the first one first.
        probes: how many versions between the ends one measurement holds.
    """
    state = _State(versions=versions, bracket=(versions[0], versions[-1]))
    for each in seen:
        state.take(each)
    if seen and not any(each.apart for each in seen):
        return Nothing(older=versions[0], newer=versions[-1])
    left = [version for version in state.within() if version not in failed]
    open_ = [version for version in left if state.tries[version] < TRIES]
    if seen and (not open_ or state.lost >= TRIES):
        older, newer = state.bracket
        return Found(
            older=older,
            newer=newer,
            failed=tuple(version for version in state.within() if version in failed),
            undecided=tuple(left),
            others=tuple(sorted(dict.fromkeys(state.others), key=lambda pair: versions.index(pair[0]))),
            lost=state.lost >= TRIES,
            ends_apart=(versions[0], versions[-1]) in seen[0].apart,
        )
    fresh = [version for version in open_ if not state.tries[version]]
    chosen = spread(fresh or open_, probes)
    return Next(versions=(state.bracket[0], *chosen, state.bracket[1]))


def spread(among: Sequence[str], count: int) -> tuple[str, ...]:
    """Return `count` of the versions, which leave parts between them that are as equal as can be; all where fewer."""
    if len(among) <= count:
        return tuple(among)
    return tuple(among[round((number + 1) * (len(among) + 1) / (count + 1)) - 1] for number in range(count))


def between(versions: Sequence[str], pair: Pair) -> Iterator[str]:
    """Yield the versions between those of `pair`, which are among them."""
    yield from versions[versions.index(pair[0]) + 1 : versions.index(pair[1])]


def most(versions: int, *, probes: int = PROBES) -> int:
    """Return how many measurements at most find a change between so many versions, if each is told where it belongs."""
    within, measurements = versions - 2, 1
    while within > probes:
        within = -(-(within - probes) // (probes + 1))
        measurements += 1
    return measurements


def _others(told: Mapping[Pair, float], chosen: Pair, held: Sequence[str], place: Mapping[str, int]) -> Iterator[Pair]:
    """Yield the neighbours in a measurement that are told apart, but for those within the chosen pair."""
    for pair in itertools.pairwise(held):
        if pair in told and (place[pair[1]] <= place[chosen[0]] or place[chosen[1]] <= place[pair[0]]):
            yield pair
