"""Ratios of processes that took turns, compared with numbers by hand and with simulated sessions."""

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from bench.records.record import Timing
from harness.stats import alternation
from tests.factories import timing
from tests.harness.stats import measure_alternation as measure
from tests.harness.stats.measure_alternation import Session, linked, outcome


def turns(slices: Sequence[tuple[int, Sequence[int]]], **changes: object) -> Timing:
    """A replicate of slices (begin, rounds)."""
    rounds = tuple(ns for _, each in slices for ns in each)
    begins = tuple(begin + at for begin, each in slices for at in range(len(each)))
    counts = tuple(len(each) for _, each in slices)
    return timing(round_ns=rounds, round_begin_ns=begins, slice_rounds=counts, calls_per_round=1, **changes)


class TestRatio:
    def test_is_the_median_of_neighbours_by_hand(self) -> None:
        # The processor is half as fast from 500 on. a takes 20 % longer than b.
        slow = [1, 1, 1, 2, 2, 2]
        a = turns([(100 * at, (120 * by, 120 * by, 999)) for at, by in enumerate(slow)])
        b = turns([(100 * at + 50, (100 * by,) * 3) for at, by in enumerate(slow)])
        assert alternation.ratio(a, b) == pytest.approx(1.2)
        assert alternation.ratio(b, a) == pytest.approx(1 / 1.2)

    def test_neighbours_are_those_in_time_not_those_in_number(self) -> None:
        a = turns([(100 * at, (100 * 2**at,)) for at in range(8)])
        b = turns([(100 * at + 750, (100 * 2**at,)) for at in range(8)])
        assert alternation.ratio(a, b) == pytest.approx(1), "fewer than five neighbours: the medians of all rounds"
        b = turns([(100 * at + 350, (100 * 2**at,)) for at in range(8)])
        assert alternation.ratio(a, b) == pytest.approx(8), "b's slice j lies between a's slices 3 + j and 4 + j"

    def test_rounds_in_which_another_process_had_the_processor_do_not_count(self) -> None:
        # Two of three rounds of a were interrupted, all of its fourth slice: twice as long for the same CPU time.
        slices = [(100 * at, (240, 120, 240) if at != 3 else (240,) * 3) for at in range(8)]
        a = turns(slices, round_cpu_ns=(119,) * 24)
        b = turns([(100 * at + 50, (100,) * 3) for at in range(8)], round_cpu_ns=(99,) * 24)
        assert alternation.ratio(a, b) == pytest.approx(1.2)
        assert len(alternation.slices(a)) == 7
        unknown = dataclasses.replace(a, round_cpu_ns=())
        assert alternation.ratio(unknown, b) == pytest.approx(2.4)

    def test_a_step_that_waits_or_uses_several_processors_is_compared_with_itself(self) -> None:
        waits = turns([(100 * at, (100, 101)) for at in range(6)], round_cpu_ns=(30,) * 12)
        several = turns([(100 * at, (100, 101)) for at in range(6)], round_cpu_ns=(390,) * 12)
        assert len(alternation.slices(waits)) == len(alternation.slices(several)) == 6

    def test_steps_of_rounds_of_unequal_length(self) -> None:
        a = dataclasses.replace(turns([(100 * at, (120,)) for at in range(6)]), calls_per_round=4)
        b = turns([(100 * at + 50, (100,)) for at in range(6)])
        assert alternation.ratio(a, b) == pytest.approx(0.3)

    def test_of_two_trainers_is_that_of_their_slopes(self) -> None:
        # fits of N: 60 and 50; of 2N: 100 and 80. The slopes are 40 and 30, whatever the speed of the machine.
        speed = [1, 2, 1, 2, 1, 2]
        a = turns(
            [(100 * at, (60 * by,)) for at, by in enumerate(speed)], double_round_ns=tuple(100 * by for by in speed)
        )
        b = turns(
            [(100 * at + 50, (50 * by,)) for at, by in enumerate(speed)], double_round_ns=tuple(80 * by for by in speed)
        )
        assert alternation.ratio(a, b) == pytest.approx(40 / 30)

    def test_of_a_trainer_and_another_is_that_of_slope_and_step(self) -> None:
        a = turns([(100 * at, (60,)) for at in range(6)], double_round_ns=(100,) * 6)
        b = turns([(100 * at + 50, (20,)) for at in range(6)])
        assert alternation.ratio(a, b) == pytest.approx(2)
        assert alternation.ratio(b, a) == pytest.approx(0.5)

    def test_without_turns_is_the_quotient_of_the_medians(self) -> None:
        a, b = (timing(round_ns=(ns - 1, ns, ns + 50), calls_per_round=1) for ns in (120, 100))
        assert alternation.ratio(a, b) == 1.2

    def test_of_processes_that_never_met_is_the_quotient_of_the_medians(self) -> None:
        a, b = (
            turns([(begin + 100 * at, (ns, ns, 9 * ns)) for at in range(6)]) for begin, ns in ((0, 120), (600, 100))
        )
        assert alternation.ratio(a, b) == alternation.ratio(a, b, [a, b]) == 1.2
        assert alternation.ratio(b, a) == 1 / 1.2

    def test_of_different_groups_goes_by_way_of_a_baseline(self) -> None:
        a = turns([(100 * at, (120,)) for at in range(6)])
        baseline = turns([(100 * at + 50, (100 if at < 6 else 200,)) for at in range(12)])  # half as fast in its second
        b = turns([(100 * at, (300,)) for at in range(6, 12)])
        assert alternation.ratio(a, b, [a, b]) == pytest.approx(120 / 300)
        assert alternation.ratio(a, b, [a, baseline, b]) == pytest.approx(1.2 / 1.5)


class TestSimulatedSessions:
    """A small version of the tables of decision 20."""

    def test_half_speed_for_seconds_cancels_in_turns_and_not_without(self) -> None:
        turning = outcome(Session(), 0.05, blocks=6, sessions=40)
        alone = outcome(Session(takes_turns=False), 0.05, blocks=6, sessions=40)
        assert turning.half_width < 0.025
        assert alone.half_width > 10 * turning.half_width
        assert turning.effect == pytest.approx(0.05, abs=0.01)
        assert turning.different >= 0.7
        assert alone.different <= 0.1

    @pytest.mark.parametrize(
        "session", [Session(drift=0.04), Session(fixed_order=True), Session(level=measure.two_levels)]
    )
    def test_neither_drift_nor_order_nor_levels_bias_a_ratio(self, session: Session) -> None:
        found = outcome(session, 0.0, blocks=6, sessions=40)
        assert abs(found.effect) < 0.006
        assert found.covered >= 0.88
        assert found.different <= 0.05

    def test_linked_groups_are_as_sure_as_one(self) -> None:
        found = outcome(Session(), 0.03, blocks=12, sessions=30, groups=linked)
        assert found.effect == pytest.approx(0.03, abs=0.01)
        assert found.covered >= 0.85
        assert found.half_width < 0.02

    def test_the_slices_of_a_timing_are_its_rounds(self) -> None:
        rng = np.random.default_rng(1)
        members = measure.block(rng, Session(), measure.one_group(0.0))
        for one in members.values():
            slices = alternation.slices(one)
            assert len(slices) == measure.SLICES
            assert slices[1].round_ns == statistics.median(one.round_ns[measure.ROUNDS : 2 * measure.ROUNDS])
            assert not math.isnan(slices[-1].begin_ns)
