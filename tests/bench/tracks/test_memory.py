"""The replicate that looks at memory: its moments, what makes it invalid, and real memory in a real process."""

import functools
import itertools
import os
import subprocess
import sys
from typing import Any

import pytest

from bench.records import codec
from bench.records.record import Allocator, Memory, Reading, Record
from bench.tracks import memory
from bench.tracks.memory import FEWEST_ROUNDS, ROUNDS
from bench.turns.turn import Turn
from bench.workloads import regression
from harness.environments.checkout import ROOT
from harness.stats.memory import at, figures, growth
from harness.store.samples import no_samples
from tests import factories
from tests.bench.protocol.test_replicate import turn
from tests.fakes import FakeClock, FakeFramework
from tests.toy.memory_process import BLOCKS, MIB, SPIKE

STEP_NS = 100_000
NO_SAMPLES = no_samples()


def looked_at(framework: FakeFramework, of: Turn | None = None) -> Record:
    return memory.measure(
        of or turn(cell=factories.cell(track="memory")),
        load=lambda: framework,
        make=lambda: regression.make("base", "adam"),
        clock=framework.clock,
    )


def fake(**changes: Any) -> FakeFramework:
    return FakeFramework(FakeClock(), **changes)


def readings(found: Record) -> tuple[Reading, ...]:
    assert found.memory is not None
    return found.memory.readings


class TestMoments:
    def test_come_in_their_order_and_the_last_only_where_a_cache_can_be_emptied(self) -> None:
        names = [one.moment for one in readings(looked_at(fake()))]
        rounds = ["round"] * ROUNDS
        assert names == ["import", "device", "build", "first step", "warm-up", *rounds, "deleted"]
        assert readings(looked_at(fake(has_cache=True)))[-1].moment == "emptied"

    def test_rounds_last_20_ms_and_say_how_many_steps_were_made(self) -> None:
        made = [one.steps for one in readings(looked_at(fake(step_ns=STEP_NS))) if one.moment in ("warm-up", "round")]
        assert {later - earlier for earlier, later in itertools.pairwise(made)} == {256}  # 25.6 ms
        assert made[0] == 255 + 3 * 256

    def test_slow_steps_get_fewer_rounds(self) -> None:
        found = readings(looked_at(fake(step_ns=2_000_000_000)))
        assert sum(one.moment == "round" for one in found) == FEWEST_ROUNDS

    def test_a_trainer_is_looked_at_after_fits(self) -> None:
        made = [one.steps for one in readings(looked_at(fake(fit=True, fit_ns=1_000_000))) if one.moment == "round"]
        assert made[1] - made[0] == 256  # a fit of 128 steps is 13.8 ms

    def test_a_device_that_was_given_nothing_is_not_waited_for(self) -> None:
        """To wait may be an operation, with which an allocator takes its pool: it would count as the context."""
        framework = fake()
        looked_at(framework)
        assert [call.split()[0] for call in framework.calls[:2]] == ["start", "build"]

    def test_the_allocator_is_asked_from_the_device_on(self) -> None:
        found = readings(looked_at(fake(allocations=3, allocations_per_call=1)))
        assert found[0].allocator == Allocator()
        assert [one.allocator.device_allocations for one in found[1:4]] == [3, 3, 4]

    def test_on_a_gpu_it_rests_after_each_phase_but_not_in_the_rounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rested: list[float] = []
        monkeypatch.setattr("time.sleep", rested.append)
        found = looked_at(fake(device="cuda"), turn(cell=factories.cell(device="cuda", track="memory")))
        assert found.reason == ""
        assert {one.moment for one in readings(found) if not one.rested_ns} == {"round"}
        assert sum(rested) == pytest.approx(0.3 * 6)


class TestRecord:
    def test_has_no_time_and_its_check_is_of_the_first_steps(self) -> None:
        found = looked_at(fake())
        assert (found.status, found.timing) == ("ok", None)
        assert found.accuracy is not None
        assert len(found.accuracy.losses) == 20
        assert found.accuracy.within_tolerance is None

    def test_survives_being_written(self) -> None:
        found = looked_at(fake(allocations=3, has_cache=True))
        assert codec.from_json(codec.to_json(found)) == found

    def test_says_what_the_suite_itself_holds(self) -> None:
        found = looked_at(fake())
        assert found.memory is not None
        assert found.memory.own_bytes == 4 * (200 + 200 + 1 + 1)  # x, y, weight, bias in float32

    def test_phases_account_for_every_nanosecond_of_the_clock(self) -> None:
        framework = fake()
        found = looked_at(framework)
        assert found.phases is not None
        assert found.phases.total_ns() == framework.clock.now_ns

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"wrong_by": 1.0}, "before timing: the loss"),
            ({"mode": "compile"}, "mode: eager was asked for, the framework ran compile"),
            ({"policy": "expandable_segments"}, "allocator: default was asked for, the framework ran expandable_seg"),
        ],
    )
    def test_of_another_result_mode_or_policy_is_invalid(self, changes: dict[str, Any], reason: str) -> None:
        found = looked_at(fake(**changes))
        assert found.status == "invalid"
        assert reason in found.reason

    def test_a_policy_that_the_device_does_not_have_is_skipped_before_anything_is_imported(self) -> None:
        framework = fake()
        found = looked_at(framework, turn(cell=factories.cell(allocator="cudaMallocAsync", track="memory")))
        assert found.status == "skipped"
        assert found.reason == "cudaMallocAsync is a policy of the allocator on cuda; this is the CPU"
        assert framework.calls == []

    def test_a_policy_that_was_not_taken_makes_a_timed_replicate_invalid_too(self) -> None:
        from tests.bench.protocol.test_replicate import run

        cell = factories.cell(device="cuda", allocator="expandable_segments")
        asked = turn(cell=cell)
        assert run(fake(device="cuda", policy="expandable_segments"), asked).status == "ok"
        assert run(fake(device="cuda", policy=""), asked).status == "ok"  # it does not say
        found = run(fake(device="cuda", policy="default"), asked)
        assert (found.status, found.reason.partition(",")[0]) == (
            "invalid",
            "allocator: expandable_segments was asked for",
        )
        assert found.proof is not None
        assert found.proof.allocator == "default"


@functools.cache
def eaten(appetite: str) -> Record:
    """The record of a real process with a known appetite."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "toy" / "memory_process.py"), appetite],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return codec.from_json(done.stdout.strip())


def near(bytes_: int, expected: int) -> bool:
    """Within 1 % or 2 MiB."""
    return abs(bytes_ - expected) <= max(expected / 100, 2 * MIB)


def last(appetite: str, moment: str) -> Reading:
    """The last reading of a moment."""
    return [one for one in readings(eaten(appetite)) if one.moment == moment][-1]


def beyond(moment: str) -> int:
    """What the pattern has resident at a moment, more than the same process without it."""
    return last("pattern", moment).rss_bytes - last("none", moment).rss_bytes


class TestRealMemory:
    def test_what_the_model_holds_is_seen_and_gone_when_it_is_deleted(self) -> None:
        assert near(beyond("device"), 0)
        assert near(beyond("build"), sum(BLOCKS) * MIB)
        assert near(beyond("round"), sum(BLOCKS) * MIB)
        assert near(beyond("deleted"), 0)

    def test_a_spike_of_a_millisecond_is_the_peak_of_the_training(self) -> None:
        found, control = (figures(eaten(name), NO_SAMPLES) for name in ("pattern", "none"))
        assert found.training_peak_rss_bytes is not None
        assert control.training_peak_rss_bytes is not None
        held = sum(BLOCKS) + SPIKE
        assert near(found.training_peak_rss_bytes - control.training_peak_rss_bytes, held * MIB)
        assert found.host_peak_rss_bytes is not None
        assert found.host_peak_rss_bytes >= found.training_peak_rss_bytes

    def test_what_was_high_before_does_not_hide_what_comes_after(self) -> None:
        peak = last("pattern", "deleted").rss_peak_bytes
        assert peak is not None
        assert peak < SPIKE * MIB

    def test_a_leak_of_1_mib_a_step_is_found_within_its_interval(self) -> None:
        found = figures(eaten("leak"), NO_SAMPLES).host_growth
        assert found is not None
        assert found.low <= MIB * 1.01
        assert found.high >= MIB
        assert found.per_step == pytest.approx(MIB, rel=0.02)
        assert found.is_seen

    def test_no_growth_is_seen_where_there_is_none(self) -> None:
        found = figures(eaten("none"), NO_SAMPLES).host_growth
        assert found is not None
        assert not found.is_seen
        assert abs(found.per_step) < 1024


def test_readings_of_a_moment_that_never_came_are_none() -> None:
    assert at(Memory().readings, "round") is None
    assert growth((), ()) is None
