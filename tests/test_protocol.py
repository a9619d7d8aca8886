"""The protocol on a clock that only moves when the fake framework spends time: exact numbers, exact order."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.protocol import measure
from bench.rounds import WINDOW, settled
from bench.record import Record
from bench.turn import Settings, Turn
from bench.workloads import regression
from tests import factories
from tests.fakes import FakeClock, FakeFramework

STEP_NS = 100_000
QUICK_SETTINGS = Settings(rounds=5, warmup_floor_ns=0, warmup_cap_ns=2_000_000_000)
SETTINGS = Settings(rounds=5, warmup_floor_ns=200_000_000, warmup_cap_ns=2_000_000_000)


def turn(**changes: Any) -> Turn:
    plain: dict[str, Any] = {
        "cell": factories.cell(),
        "block": 1,
        "position": 1,
        "settings": SETTINGS,
        "calls_per_round": None,
        "cpus": (),
        "threads": 1,
        "hash_seed": 1,
        "timeout_s": 60.0,
        "launcher": "venv",
    }
    return Turn(**{**plain, **changes})


def run(framework: FakeFramework, of: Turn | None = None, announce: Callable[[str], None] = lambda _: None) -> Record:
    return measure(
        of or turn(),
        load=lambda: framework,
        make=lambda: regression.make("base", "adam"),
        rounds=framework.clock.rounds,
        clock=framework.clock,
        announce=announce,
    )


def fake(**changes: Any) -> FakeFramework:
    return FakeFramework(FakeClock(), **changes)


def test_rounds_hold_the_steps_and_one_wait() -> None:
    record = run(fake(wait_ns=7))

    assert record.status == "ok"
    assert record.timing is not None
    calls = record.timing.calls_per_round
    assert record.timing.round_ns == (calls * STEP_NS + 7,) * SETTINGS.rounds


def test_first_step_is_timed_alone_and_waited_for() -> None:
    record = run(fake(first_ns=500_000_000, wait_ns=7))

    assert record.timing is not None
    assert record.timing.first_step_ns == 500_000_007


@pytest.mark.parametrize(
    ("step_ns", "wait_ns", "calls"),
    [
        (100_000, 0, 64),  # 5 ms / 100 µs = 50, next power of two
        (5_000_000, 0, 1),
        (100_000, 100_000, 256),  # the clock costs 100 µs: 200 of those are 20 ms, less the one wait inside
    ],
)
def test_calls_per_round_outlast_five_milliseconds_and_two_hundred_clocks(
    step_ns: int, wait_ns: int, calls: int
) -> None:
    record = run(fake(step_ns=step_ns, wait_ns=wait_ns))

    assert record.timing is not None
    assert record.timing.calls_per_round == calls


def test_frozen_calls_are_taken_over() -> None:
    record = run(fake(), turn(calls_per_round=96))

    assert record.timing is not None
    assert record.timing.calls_per_round == 96
    assert record.timing.round_ns == (96 * STEP_NS,) * SETTINGS.rounds


def test_a_trainer_is_timed_as_fits_of_n_and_of_2n_steps() -> None:
    record = run(fake(fit=True, fit_ns=30_000_000))

    assert record.timing is not None
    steps = record.timing.steps_per_round
    assert steps == 64  # what lasts 5 ms is the difference, not the fit's own cost
    assert record.timing.round_ns == (30_000_000 + steps * STEP_NS,) * SETTINGS.rounds
    assert record.timing.double_round_ns == (30_000_000 + 2 * steps * STEP_NS,) * SETTINGS.rounds


def test_phases_account_for_every_nanosecond_of_the_clock() -> None:
    framework = fake(wait_ns=7)

    record = run(framework)

    assert record.phases is not None
    assert record.phases.total_ns() == framework.clock.now_ns
    assert record.phases.first_step_ns == 500_000_007


def test_phases_are_announced_in_order() -> None:
    seen: list[str] = []

    run(fake(), announce=seen.append)

    assert seen == ["import", "device", "build", "first_step", "check", "warmup", "rounds", "check", "teardown"]


def test_warm_up_stops_once_two_windows_agree_after_its_floor() -> None:
    record = run(fake())

    assert record.timing is not None
    assert record.timing.steady
    # the floor is 0.2 s, of which the calibration took a part; a round of 64 steps of 100 µs is 6.4 ms
    assert 2 * WINDOW < record.timing.warmup_rounds < 200_000_000 / 6_400_000
    assert record.phases is not None
    assert record.phases.warmup_ns >= SETTINGS.warmup_floor_ns
    assert run(fake(), turn(settings=QUICK_SETTINGS)).timing.warmup_rounds == 2 * WINDOW  # type: ignore[union-attr]


def test_warm_up_that_never_settles_ends_at_its_cap_and_says_so() -> None:
    record = run(fake(slower_by_ns=100), turn(calls_per_round=64))

    assert record.timing is not None
    assert not record.timing.steady
    assert record.phases is not None
    assert record.phases.warmup_ns >= SETTINGS.warmup_cap_ns


def test_a_compilation_in_the_timed_rounds_takes_the_time_away() -> None:
    record = run(fake(compile_every=100), turn(calls_per_round=64))

    assert record.status == "invalid"
    assert record.timing is None
    assert "compilations fell into the timed rounds" in record.reason


def test_device_allocations_before_and_during_the_timed_rounds_are_told_apart() -> None:
    record = run(fake(allocations=12))

    assert record.status == "ok"
    assert record.memory is not None
    assert (record.memory.device_allocations_warmup, record.memory.device_allocations_timed) == (12, 0)


def test_a_device_allocation_in_the_timed_rounds_takes_the_time_away() -> None:
    record = run(fake(allocations=12, allocations_per_call=1), turn(calls_per_round=64))

    assert record.status == "invalid"
    assert record.reason == f"{64 * SETTINGS.rounds} device allocations fell into the timed rounds"
    assert record.timing is None


def test_windows_that_differ_are_not_settled() -> None:
    steady = [100] * 20
    assert settled(steady, [1] * 20)
    assert not settled([102] * 10 + [100] * 10, [1] * 20)  # medians 2 % apart
    assert not settled(steady[:19], [1] * 19)  # too few
    assert not settled(steady, [1] * 19 + [2])  # a compilation in the last window
    assert not settled([90, 110] * 5 + [100] * 10, [1] * 20)  # same median, other spread


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wrong_by": 0.01}, "before timing: the losses leave the float64 reference"),
        ({"wrong_start": 0.01}, "before timing: reset does not bring the initial parameters back"),
        ({"mode": "compile"}, "mode: eager was asked for, the framework ran compile"),
        ({"device": "cuda:0"}, "device: cpu was asked for, the framework ran cuda"),
        ({"threads": 2}, "threads: 1 was asked for, the framework ran 2"),
    ],
)
def test_a_wrong_cell_has_no_time(changes: dict[str, Any], reason: str) -> None:
    record = run(fake(**changes))

    assert record.status == "invalid"
    assert record.reason.startswith(reason)
    assert record.timing is None


def test_a_gate_that_fails_after_timing_takes_the_time_away() -> None:
    framework = fake()
    run_rounds = framework.clock.rounds

    def spoil(run: Callable[[], object], before: Callable[[], None], count: int) -> Sequence[int]:
        durations = run_rounds(run, before, count)
        framework.wrong_by = 0.01
        return durations

    record = measure(
        turn(),
        load=lambda: framework,
        make=lambda: regression.make("base", "adam"),
        rounds=spoil,
        clock=framework.clock,
    )

    assert record.status == "invalid"
    assert record.reason.startswith("after timing: the losses leave")
    assert record.timing is None


def test_a_mode_that_cannot_run_here_is_skipped_with_its_reason() -> None:
    record = run(fake(skip="no GPU"))

    assert (record.status, record.reason, record.timing) == ("skipped", "no GPU", None)


def test_an_exception_becomes_a_record_that_names_its_phase() -> None:
    record = run(fake(build_error=RuntimeError("no such layer\nsecond line")))

    assert record.status == "failed"
    assert record.reason == "build: RuntimeError: no such layer"
    assert record.failure is not None
    assert record.failure.phase == "build"
    assert any("no such layer" in line for line in record.failure.tail)
    assert record.phases is not None
    assert record.environment is not None
    assert record.environment.versions == ("fake==1",)


def test_a_framework_that_does_not_import_fails_in_that_phase() -> None:
    def load() -> FakeFramework:
        raise ModuleNotFoundError("No module named 'torch'")

    record = measure(turn(), load=load, make=lambda: regression.make("base", "adam"), rounds=FakeClock().rounds)

    assert record.reason == "import: ModuleNotFoundError: No module named 'torch'"
