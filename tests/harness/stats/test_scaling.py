"""The figures of data-parallel steps, computed by hand."""

import dataclasses

import pytest

from harness.stats import scaling
from tests.factories import parallel, timing


def test_strong_scaling_is_ideal_where_n_ranks_take_an_nth_of_the_time() -> None:
    assert scaling.efficiency({1: 0.5, 2: 1.0}, 2, "strong") == {1: 1.0, 2: 0.5}
    assert scaling.efficiency({1: 0.5}, 4, "strong") == {1: 0.5}


def test_weak_scaling_is_ideal_where_n_ranks_take_the_same_time() -> None:
    assert scaling.efficiency({1: 1.0, 2: 2.0}, 2, "weak") == {1: 1.0, 2: 0.5}


class TestCommunication:
    def test_is_the_median_of_neighbours_in_time(self) -> None:
        # a machine that is twice as slow in the second half: each pair still says a fifth
        beside = parallel(synchronised_round_ns=(100, 100, 200, 200), unsynchronised_round_ns=(80, 80, 160, 160))
        assert scaling.communication(beside, timing()) == pytest.approx(0.2)

    def test_without_neighbours_is_that_of_the_medians(self) -> None:
        alone = parallel(synchronised_round_ns=(), unsynchronised_round_ns=(90_000, 60_000, 75_000))
        assert scaling.communication(alone, timing(round_ns=(100_000, 90_000, 110_000))) == pytest.approx(0.25)

    def test_is_negative_where_the_step_without_exchange_took_longer(self) -> None:
        beside = parallel(synchronised_round_ns=(100, 100), unsynchronised_round_ns=(104, 104))
        assert scaling.communication(beside, timing()) == pytest.approx(-0.04)

    def test_is_not_known_without_such_rounds(self) -> None:
        assert scaling.communication(parallel(unsynchronised_round_ns=()), timing()) is None


def test_memory_is_that_of_all_processes() -> None:
    assert scaling.memory_bytes(parallel(4), 7) == 4 * (300 << 20)
    assert scaling.memory_bytes(parallel(4, processes=1), 7) == 7
    assert scaling.memory_bytes(parallel(4, processes=1), None) is None


def test_ranks_agree_where_all_digests_are_the_same() -> None:
    same = parallel(2)
    assert scaling.agrees(same) is True
    assert scaling.agrees(parallel(1)) is None
    first, other = same.placed

    different = dataclasses.replace(same, placed=(first, dataclasses.replace(other, parameters_sha256="1" * 64)))
    assert scaling.agrees(different) is False
