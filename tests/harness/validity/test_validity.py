"""INVALID and WARN: impossible times are named, one attempt stands for each replicate, warnings reach their cell."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from bench.records.codec import from_json, to_json
from bench.records.record import Limit, Record
from harness.stats.flags import FLAGS, RERUN, SHIFT, Flag, legend
from harness.store.facts import RunFacts
from harness.validity.finding import Finding, key_of
from harness.validity.validity import incomplete, judged
from tests import factories
from tests.factories import again, cell, record, timing

POWER = Flag(name="POWER", letter="P", sentence="the power cap was reached")


def verdict(of: Record) -> tuple[str, str]:
    (found,) = judged([of], factories.run_facts()).records
    return found.status, found.reason


class TestDurations:
    @pytest.mark.parametrize(
        ("timed", "sentence"),
        [
            ({"round_ns": (100, math.nan, 100)}, "timing.round_ns[1] is nan: not a number of nanoseconds"),
            ({"round_ns": (100, 100, 0)}, "timing.round_ns[2] is 0: what was timed took some time"),
            ({"round_ns": (-5, 100)}, "timing.round_ns[0] is -5: a duration is not negative"),
            ({"round_ns": (100, None)}, "timing.round_ns[1] is None: not a number of nanoseconds"),
            ({"round_ns": ("100",)}, "timing.round_ns[0] is '100': not a number of nanoseconds"),
            ({"double_round_ns": (math.inf,)}, "timing.double_round_ns[0] is inf: not a number of nanoseconds"),
            ({"first_step_ns": 0}, "timing.first_step_ns is 0: what was timed took some time"),
            ({"process_cpu_ns": -1}, "timing.process_cpu_ns is -1: a duration is not negative"),
        ],
    )
    def test_a_time_that_cannot_be_is_named_and_the_replicate_invalid(
        self, timed: dict[str, Any], sentence: str
    ) -> None:
        assert verdict(record(timing=timing(**timed))) == ("invalid", sentence)

    def test_it_is_found_in_every_part_of_a_record_and_that_part_reaches_no_table(self) -> None:
        wrong = record(phases=factories.phases(import_ns=math.nan))
        (found,) = judged([wrong], factories.run_facts()).records
        assert (found.status, found.phases) == ("invalid", None)
        assert found.timing == wrong.timing
        limit = Limit(kind="launch", precision="", size=1, work=1, round_ns=(5, 0))
        turn = record(cell(mode="limits", track="limits"), timing=None, limits=(limit,))
        (found,) = judged([turn], factories.run_facts()).records
        assert (found.reason, found.limits) == ("limits[0].round_ns[1] is 0: what was timed took some time", ())
        warm = record(repeats=(factories.repeat("warm", first_step_ns=-1),))
        assert verdict(warm) == ("invalid", "repeats[0].first_step_ns is -1: a duration is not negative")

    def test_it_survives_the_file(self) -> None:
        kept = from_json(to_json(record(timing=timing(round_ns=(math.nan,)))))
        assert verdict(kept) == ("invalid", "timing.round_ns[0] is not a finite number")

    def test_what_was_not_timed_may_be_zero_and_a_good_record_stays_as_it_is(self) -> None:
        good = (record(), factories.idiomatic(), factories.export(), record(cell(mode="x"), status="failed", wall_ns=0))
        assert judged(good, factories.run_facts()).records == good


class TestAttempts:
    WRONG = record(block=2, status="invalid", reason="another process ran on the GPU")

    def test_the_good_second_attempt_stands_and_the_first_is_counted(self) -> None:
        second = again(self.WRONG)
        found = judged([record(), self.WRONG, second], factories.run_facts())
        assert found.records == (record(), second)
        assert found.replaced == (self.WRONG,)
        assert found.warnings == {cell(): (RERUN,)}

    def test_two_invalid_attempts_leave_the_block_invalid_with_both_reasons(self) -> None:
        second = again(self.WRONG, status="invalid", reason="the clock was at 90 %")
        found = judged([self.WRONG, second], factories.run_facts())
        assert [(one.status, one.reason) for one in found.records] == [
            ("invalid", "another process ran on the GPU; run again: the clock was at 90 %")
        ]
        same = judged(
            [self.WRONG, again(self.WRONG, status="invalid", reason=self.WRONG.reason)], factories.run_facts()
        )
        assert same.records[0].reason == "another process ran on the GPU (twice)"

    def test_an_attempt_that_failed_makes_no_invalid_block_good(self) -> None:
        second = again(self.WRONG, status="failed", reason="import: exit code 1")
        (standing,) = judged([self.WRONG, second], factories.run_facts()).records
        assert standing.status == "invalid"

    def test_frameworks_that_differ_in_one_attempt_do_not_condemn_the_other(self) -> None:
        of = [cell(framework=name, workload="mlp") for name in ("torch", "jax", "flax")]
        told = [record(one, accuracy=factories.accuracy(losses=(2.0, 1.0), reference_losses=())) for one in of]
        apart = record(of[0], accuracy=factories.accuracy(losses=(9.0, 1.0), reference_losses=()))
        second = again(apart, accuracy=told[0].accuracy)
        found = judged([apart, *told[1:], second], factories.run_facts())
        assert [one.status for one in found.records] == ["ok"] * 3
        assert "first loss is 9" in found.replaced[0].reason


class TestJudges:
    def test_a_finding_without_a_flag_is_invalid_and_one_with_a_flag_a_warning_of_its_cell(self) -> None:
        first, second = record(block=1), record(block=2)

        def machine(records: Sequence[Record], facts: RunFacts) -> list[Finding]:
            return [
                Finding(key=key_of(records[0]), reason="thermal slowdown"),
                Finding(key=key_of(records[0]), reason="the power cap was reached", flag=POWER),
                Finding(key=key_of(records[1]), reason="the power cap was reached", flag=POWER),
            ]

        found = judged([first, second], factories.run_facts(), stages=((machine,),))
        assert [(one.status, one.reason) for one in found.records] == [("invalid", "thermal slowdown"), ("ok", "")]
        assert found.warnings == {cell(): (POWER,)}

    def test_a_warning_of_an_attempt_that_does_not_stand_is_none(self) -> None:
        first = record()

        def machine(records: Sequence[Record], facts: RunFacts) -> list[Finding]:
            key = key_of(first)
            return [Finding(key=key, reason="hot"), Finding(key=key, reason="cap", flag=POWER)]

        found = judged([first, again(first)], factories.run_facts(), stages=((machine,),))
        assert found.warnings == {cell(): (RERUN,)}

    def test_the_legend_has_the_statistics_first_and_each_flag_once(self) -> None:
        assert legend([POWER, SHIFT, RERUN, POWER, FLAGS[0]]) == (FLAGS[0], SHIFT, POWER, RERUN)


def test_a_block_is_incomplete_when_it_was_begun_and_lacks_a_replicate_that_is_compared() -> None:
    eager, fast, hello = cell(), cell(mode="compile"), cell(mode="hello", track="idiomatic")
    planned = [(one, block) for block in (1, 2, 3) for one in (eager, fast, hello)]
    whole = [record(eager), record(fast)]  # the hello world of block 1 is missing: it is compared with nothing
    assert incomplete(whole, planned) == ()
    assert incomplete([*whole, record(fast, block=2)], planned) == (2,)
