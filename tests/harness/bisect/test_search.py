"""The search against a linear scan: a planted change at every place, whatever cannot be measured or told apart."""

import itertools
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from harness.bisect.search import Found, Next, Nothing, Pair, Seen, decide, most, spread


@dataclass
class Host:
    """Measures versions of known cost, without noise, unless a version is blurred."""

    cost: Mapping[str, float]
    broken: Collection[str] = ()  # cannot be measured
    blurred: Collection[str] = ()  # told apart from nothing
    probes: int = 3
    failed: set[str] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def answer(self) -> Found | Nothing:
        versions = list(self.cost)
        for _ in range(10 * len(versions)):
            step = decide(versions, self.failed, self.seen, probes=self.probes)
            if not isinstance(step, Next):
                return step
            self.asked.append(step.versions)
            self.failed |= set(step.versions) & set(self.broken)
            self.seen.append(self.measured([each for each in step.versions if each not in self.failed]))
        raise AssertionError("it goes on for ever")

    def measured(self, held: Sequence[str]) -> Seen:
        apart = {
            (a, b): abs(self.cost[b] - self.cost[a])
            for a, b in itertools.combinations(held, 2)
            if self.cost[a] != self.cost[b] and not {a, b} & set(self.blurred)
        }
        return Seen(held=tuple(held), apart=apart)


def versions(count: int) -> list[str]:
    return [f"1.{number}" for number in range(count)]


def planted(count: int, *places: int, by: float = 1.0) -> dict[str, float]:
    """Costs that rise at each of the places: the version of that number is the first one with it."""
    return {version: sum(by for place in places if place <= at) for at, version in enumerate(versions(count))}


def scanned(cost: Mapping[str, float], broken: Collection[str]) -> list[Pair]:
    """The oracle: every neighbouring pair of versions that can be measured, one after the other."""
    usable = [version for version in cost if version not in broken]
    return [(a, b) for a, b in itertools.pairwise(usable) if cost[a] != cost[b]]


@pytest.mark.parametrize("probes", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [2, 3, 5, 12, 31])
def test_a_planted_change_is_found_at_every_place(count: int, probes: int) -> None:
    for place in range(1, count):
        cost = planted(count, place)
        host = Host(cost, probes=probes)
        found = host.answer()
        assert isinstance(found, Found)
        assert [(found.older, found.newer)] == scanned(cost, ())
        assert (found.failed, found.undecided, found.others, found.ends_apart) == ((), (), (), True)
        assert len(host.seen) <= most(count, probes=probes)


def test_twelve_versions_need_two_measurements_of_five() -> None:
    assert most(12) == 2
    for place in range(1, 12):
        host = Host(planted(12, place))
        host.answer()
        assert len(host.seen) <= 2
        assert max(map(len, host.asked)) <= 5


def test_no_run_holds_more_than_the_ends_and_the_probes_and_none_twice() -> None:
    for count, place in ((12, 5), (40, 33), (2, 1)):
        host = Host(planted(count, place))
        host.answer()
        for asked in host.asked:
            assert len(set(asked)) == len(asked) <= 5
            assert list(asked) == sorted(asked, key=versions(count).index)


def test_versions_that_cannot_be_measured_are_gone_round() -> None:
    """Every set of broken versions of eight, at every place: the answer is as near as any can be."""
    inner = versions(8)[1:-1]
    for size in range(len(inner) + 1):
        for broken in itertools.combinations(inner, size):
            for place in range(1, 8):
                cost = planted(8, place)
                found = Host(cost, broken=broken).answer()
                assert isinstance(found, Found)
                assert [(found.older, found.newer)] == scanned(cost, broken)
                low, high = versions(8).index(found.older), versions(8).index(found.newer)
                assert found.failed == tuple(versions(8)[low + 1 : high])
                assert found.undecided == ()


def test_a_broken_version_is_asked_for_once() -> None:
    host = Host(planted(12, 6), broken=("1.5", "1.6"))
    host.answer()
    asked = [version for versions in host.asked for version in versions]
    assert max(asked.count(version) for version in ("1.5", "1.6")) == 1


def test_versions_that_are_told_from_nothing_are_named_and_not_guessed() -> None:
    """A version that no measurement places is tried once more; the change is within the answer all the same."""
    inner = versions(7)[1:-1]
    for size in range(1, 4):
        for blurred in itertools.combinations(inner, size):
            for place in range(1, 7):
                cost = planted(7, place)
                host = Host(cost, blurred=blurred)
                found = host.answer()
                assert isinstance(found, Found)
                assert cost[found.older] == 0.0
                assert cost[found.newer] == 1.0
                between = versions(7)[versions(7).index(found.older) + 1 : versions(7).index(found.newer)]
                assert set(found.undecided) == set(between) <= set(blurred)
                assert not {found.older, found.newer} & set(blurred)


def test_no_difference_is_said_after_one_measurement() -> None:
    host = Host(planted(12))
    assert host.answer() == Nothing(older="1.0", newer="1.11")
    assert len(host.seen) == 1


def test_of_several_changes_a_real_one_is_named_and_the_others_are_said() -> None:
    """Two changes anywhere in twelve versions: one is named; the other is said."""
    for first, second in itertools.combinations(range(1, 12), 2):
        cost = planted(12, first, second)
        found = Host(cost).answer()
        assert isinstance(found, Found)
        real = scanned(cost, ())
        assert (found.older, found.newer) in real
        ((older, newer),) = found.others
        (other,) = [pair for pair in real if pair != (found.older, found.newer)]
        assert versions(12).index(older) <= versions(12).index(other[0])
        assert versions(12).index(other[1]) <= versions(12).index(newer)


def test_the_largest_of_several_changes_is_named_where_one_run_holds_them() -> None:
    cost = {version: (0.02 if at >= 2 else 0) + (0.05 if at >= 9 else 0) for at, version in enumerate(versions(12))}
    found = Host(cost).answer()
    assert isinstance(found, Found)
    assert (found.older, found.newer) == ("1.8", "1.9")
    ((older, newer),) = found.others
    assert (cost[older], cost[newer]) == (0, 0.02)


def test_a_change_that_was_undone_is_found_although_the_ends_are_alike() -> None:
    cost = {version: 1.0 if 4 <= at < 8 else 0.0 for at, version in enumerate(versions(12))}
    found = Host(cost).answer()
    assert isinstance(found, Found)
    assert not found.ends_apart
    assert (found.older, found.newer) in [("1.3", "1.4"), ("1.7", "1.8")]
    assert len(found.others) == 1


def test_a_difference_that_is_not_told_again_ends_the_search_with_what_is_left() -> None:
    ends = ("1.0", "1.11")
    first = Seen(held=("1.0", "1.3", "1.6", "1.8", "1.11"), apart={("1.3", "1.6"): 0.02, ends: 0.02})
    empty = Seen(held=("1.3", "1.4", "1.5", "1.6"), apart={})
    asked = decide(versions(12), (), [first])
    assert asked == Next(versions=("1.3", "1.4", "1.5", "1.6"))
    assert decide(versions(12), (), [first, empty]) == asked
    found = decide(versions(12), (), [first, empty, empty])
    assert isinstance(found, Found)
    assert (found.older, found.newer, found.lost, found.undecided) == ("1.3", "1.6", True, ("1.4", "1.5"))


def test_noise_that_hides_differences_never_leads_out_of_the_changes() -> None:
    """Verdicts that are missing at random, but never false: a change lies within every answer."""
    rng = random.Random(7)

    class Noisy(Host):
        def measured(self, held: Sequence[str]) -> Seen:
            real = super().measured(held)
            return Seen(held=real.held, apart={pair: far for pair, far in real.apart.items() if rng.random() < 0.6})

    for _ in range(300):
        cost = planted(12, *rng.sample(range(1, 12), rng.choice((1, 1, 2))))
        found = Noisy(cost).answer()
        if isinstance(found, Found):
            assert cost[found.older] != cost[found.newer]


def test_probes_leave_parts_as_equal_as_can_be() -> None:
    for count, probes in itertools.product(range(1, 60), range(1, 6)):
        among = versions(count)
        chosen = spread(among, probes)
        if count <= probes:
            assert chosen == tuple(among)
            continue
        places = [-1, *map(among.index, chosen), count]
        parts = [b - a - 1 for a, b in itertools.pairwise(places)]
        assert len(chosen) == probes
        assert max(parts) - min(parts) <= 1
