"""What a measurement tells apart: by the rules of every table, with the blocks of earlier measurements."""

import math
import random
from collections.abc import Mapping, Sequence

import pytest

from harness.bisect.facts import Bits, Measurement, Ratio
from harness.bisect.verdicts import Told, seen, told


def measurement(
    ratios: Mapping[tuple[str, str], Sequence[float]], *, number: int = 1, floor: float = 0.01
) -> Measurement:
    held = tuple(dict.fromkeys(version for pair in ratios for version in pair))
    return Measurement(
        number=number,
        run=f"measurement-{number}/run",
        versions=held,
        held=held,
        floor=floor,
        ratios=tuple(Ratio(older=a, newer=b, by_block=tuple(of)) for (a, b), of in ratios.items()),
    )


def blocks(ratio: float, spread: float = 0.002, count: int = 6, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [ratio * math.exp(rng.gauss(0, spread)) for _ in range(count)]


def word(of: Sequence[Told], older: str, newer: str) -> str:
    return next(each.word for each in of if each.pair == (older, newer))


def test_five_percent_are_told_apart_and_two_permille_are_the_same() -> None:
    verdicts = told(
        [measurement({("1", "2"): blocks(1.05), ("1", "3"): blocks(1.002), ("2", "3"): blocks(0.95)})], "step"
    )
    assert (word(verdicts, "1", "2"), word(verdicts, "1", "3"), word(verdicts, "2", "3")) == (
        "slower",
        "same",
        "faster",
    )
    (first, *_) = verdicts
    assert first.ratio is not None
    assert first.ratio.value == pytest.approx(1.05, rel=0.005)
    assert first.size == pytest.approx(math.log(1.05), rel=0.1)
    assert [each.is_apart for each in verdicts] == [True, False, True]


def test_memory_has_words_of_its_own() -> None:
    verdicts = told([measurement({("1", "2"): blocks(1.05), ("2", "3"): blocks(0.95)})], "memory")
    assert [each.word for each in verdicts] == ["larger", "smaller"]


def test_the_noise_floor_of_the_run_counts() -> None:
    of = {("1", "2"): blocks(1.05)}
    assert told([measurement(of, floor=0.08)], "step")[0].word == "undetermined"
    assert told([measurement(of, floor=0.01)], "step")[0].word == "slower"


def test_fewer_than_six_blocks_tell_nothing() -> None:
    assert told([measurement({("1", "2"): blocks(1.5, count=5)})], "step")[0].word == "undetermined"


def test_blocks_of_an_earlier_measurement_of_the_same_two_versions_count() -> None:
    first = measurement({("1", "2"): blocks(1.02, 0.012), ("1", "3"): blocks(1.0)})
    again = measurement({("1", "2"): blocks(1.02, 0.012, seed=2)}, number=2)
    (alone,), (both,) = told([again], "step"), told([first, again], "step")
    assert alone.ratio is not None
    assert both.ratio is not None
    assert (alone.ratio.count, both.ratio.count) == (6, 12)
    assert (alone.ratio.half_width or 0) > (both.ratio.half_width or 0)


def test_the_wider_floor_of_both_measurements_counts() -> None:
    of = {("1", "2"): blocks(1.05)}
    assert told([measurement(of, floor=0.08), measurement(of, number=2)], "step")[0].word == "undetermined"


def test_holm_holds_all_pairs_of_a_measurement_together() -> None:
    """Of ten pairs that are alike one has a p of 1 % by chance: alone it would be told apart."""
    by_chance = [1.009, 1.033, 1.017, 1.049, 1.025, 1.041]
    assert told([measurement({("1", "2"): by_chance})], "step")[0].word == "slower"
    others = {(str(a), str(b)): blocks(1.0, 0.01, seed=10 * a + b) for a in range(1, 6) for b in range(a + 1, 6)}
    assert told([measurement({**others, ("1", "2"): by_chance})], "step")[0].word == "undetermined"


def test_two_versions_without_a_shared_block_are_not_compared() -> None:
    assert told([measurement({("1", "2"): [], ("1", "3"): blocks(1.05)})], "step")[0].pair == ("1", "3")


def test_bits_are_equal_or_not() -> None:
    bits = tuple(Bits(version=version, fingerprint=of) for version, of in (("1", "a"), ("2", "a"), ("3", "b")))
    measured = Measurement(number=1, run="r", versions=("1", "2", "3"), held=("1", "2", "3"), floor=0.01, bits=bits)
    assert [each.word for each in told([measured], "bits")] == ["equal bits", "other bits", "other bits"]
    (shown,) = seen([measured], "bits")
    assert shown.apart == {("1", "3"): 1.0, ("2", "3"): 1.0}


def test_the_search_sees_each_measurement_with_those_before_it_alone() -> None:
    clear, vague = blocks(1.05), blocks(1.015, 0.02)
    shown = seen([measurement({("1", "2"): vague}), measurement({("1", "3"): clear}, number=2)], "step")
    assert [(each.held, tuple(each.apart)) for each in shown] == [(("1", "2"), ()), (("1", "3"), (("1", "3"),))]
