"""Energy per step: the counter over a window, less the GPU at rest, or a reason why there is none."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.interface import Step
from bench.protocol.phases import PhaseClock
from bench.protocol.rounds import RoundTimer
from bench.records.codec import from_json, to_json
from bench.records.observation import REST_NS, Energy, Observation
from bench.records.record import Record
from bench.reference.workload import KINGMA_BA
from bench.tracks import energy as inside
from bench.turns.turn import Settings, Turn
from bench.workloads import make
from harness.samplers import counter as samplers_counter
from harness.samplers.counter import Reading
from harness.stats import energy
from tests import factories
from tests.fakes import FakeClock, FakeFramework

S = 1_000_000_000
WINDOW = Energy(idle_begin_ns=1 * S, idle_end_ns=3 * S, begin_ns=4 * S, end_ns=10 * S, steps=30_000)
WINDOW_5 = dataclasses.replace(WINDOW, end_ns=92 * S // 10)
SEEN = Observation(gpu="GPU-1", energy_idle_mj=140_000, energy_window_mj=1_800_000)  # 70 W at rest, 300 W at work


def replicate(window: Energy | None = WINDOW, device: str = "cuda", **seen: Any) -> Record:
    return factories.record(
        factories.cell(device=device, track="energy"),
        energy=window,
        observation=dataclasses.replace(SEEN, **seen),
    )


def test_a_step_costs_what_the_window_took_above_rest() -> None:
    found = energy.of(replicate())
    assert found.idle_mw == pytest.approx(70_000)
    assert found.window_mj == pytest.approx((300 - 70) * 6 * 1000)
    assert found.step_uj == pytest.approx((300 - 70) * 6 / 30_000 * 1e6)  # W · s ÷ steps, in µJ
    assert found.reason == ""


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (replicate(device="cpu"), "n/a: only a GPU counts its energy"),
        (replicate(None), "n/a: the replicate noted no window"),
        (replicate(dataclasses.replace(WINDOW, begin_ns=6 * S)), "n/a: the window of 4.0 s is shorter than 5 s"),
        (replicate(dataclasses.replace(WINDOW, idle_begin_ns=5 * S // 2)), "n/a: the GPU was not at rest for a second"),
        (replicate(gpu="MIG-1"), "n/a: a MIG instance shares its GPU's counter with the others"),
        (replicate(energy_window_mj=0), "n/a: the counter did not tick"),
        (
            replicate(energy_window_mj=None, missing=("energy_mj, energy_window_mj, energy_idle_mj: Not Supported",)),
            "n/a: Not Supported",
        ),
        (
            replicate(energy_window_mj=None, missing=("gpu: GPU GPU-1 was lost: GPU is lost",)),
            "n/a: GPU GPU-1 was lost: GPU is lost",
        ),
        (replicate(energy_window_mj=400_000), "n/a: the work took no more power than the GPU at rest"),
    ],
)
def test_without_a_figure_there_is_a_reason(record: Record, reason: str) -> None:
    found = energy.of(record)
    assert found.step_uj is None
    assert found.reason.startswith(reason)


def readings(
    *,
    tick_s: float,
    every_s: float,
    shift_s: float,
    after: str = "rest",
    late_s: float = 0.0,
    work_w: float = 300.0,
    call_s: float = 0.02,
) -> list[Reading]:
    """Read a counter: 70 W at rest, more from 4 s to 9.2 s, and then at rest, or at work for another half second."""
    until = {"rest": 9.2, "check": 9.7}[after]
    chance = np.random.default_rng(1)
    read, t = [], shift_s
    while t < 12:
        end = t + chance.uniform(0.0001, call_s) + late_s * chance.integers(0, 2)
        moment = chance.uniform(t, end)
        ticked = (moment - shift_s / 3) // tick_s * tick_s + shift_s / 3
        energy_mj = 70_000 * ticked + (work_w - 70) * 1000 * min(max(ticked - 4, 0), until - 4)
        read.append(Reading(round(t * S), round(end * S), float(round(energy_mj))))
        t = end + every_s
    return read


@pytest.mark.parametrize("work_w", [90.0, 300.0])
@pytest.mark.parametrize("after", ["rest", "check"])
@pytest.mark.parametrize("late_s", [0.0, 0.15])
@pytest.mark.parametrize("tick_s", [0.001, 0.02, 0.1, 0.25])
def test_the_energy_above_rest_is_as_exact_as_is_said(tick_s: float, late_s: float, after: str, work_w: float) -> None:
    """Wherever ticks, readings and late calls lie."""
    true = (work_w - 70) * 5.2 * 1000
    for shift_s in np.arange(0, 0.3, 0.013):
        read = readings(tick_s=tick_s, every_s=0.1, shift_s=float(shift_s), after=after, late_s=late_s, work_w=work_w)
        found = samplers_counter.work(read, WINDOW_5)
        assert isinstance(found, samplers_counter.Work)
        above = found.window_mj - found.idle_mj / 2 * 5.2
        assert abs(above - true) <= found.share * true + 3
        if after == "rest":
            assert found.rested
        if after == "rest" and late_s == 0:
            assert above == pytest.approx(true, rel=0.3 if work_w < 100 else 0.03)


@pytest.mark.parametrize("tick_s", [0.001, 0.02, 0.1])
def test_where_the_ticks_are_watched_even_light_work_is_known_to_a_few_percent(tick_s: float) -> None:
    read = readings(tick_s=tick_s, every_s=0.001, shift_s=0.05, work_w=90, call_s=0.0005)
    found = samplers_counter.work(read, WINDOW_5)
    assert isinstance(found, samplers_counter.Work)
    assert found.share < 0.02
    assert found.window_mj - found.idle_mj / 2 * 5.2 == pytest.approx(20 * 5.2 * 1000, rel=0.01)


def test_one_late_reading_at_the_end_is_in_the_share() -> None:
    """The counter ticked at 9.25 s, which is seen at 9.49 s only."""
    read = readings(tick_s=0.25, every_s=0.001, shift_s=0.0, work_w=90, call_s=0.0005)
    late = [one for one in read if not 9.22 * S < one.begin_ns < 9.49 * S]
    found = samplers_counter.work(late, WINDOW_5)
    assert isinstance(found, samplers_counter.Work)
    error = abs(found.window_mj - found.idle_mj / 2 * 5.2 - 20 * 5.2 * 1000)
    assert 15_000 < error <= found.share * 20 * 5.2 * 1000


def test_the_share_says_so_where_the_check_begins_at_once() -> None:
    found = samplers_counter.work(readings(tick_s=0.02, every_s=0.1, shift_s=0.01, after="check"), WINDOW_5)
    assert isinstance(found, samplers_counter.Work)
    assert not found.rested
    assert found.share > 0.03


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        ([], "not read before and after"),
        ([Reading(t * S, t * S, 1000.0 * t) for t in range(3, 12)], "not read before and after"),
        ([Reading(t * S, t * S, 1000.0 * t) for t in range(8)], "not read before and after"),
        ([Reading(t * S // 10, t * S // 10, 5.0) for t in range(120)], "too seldom"),
        (readings(tick_s=1.5, every_s=0.1, shift_s=0.0), "too seldom"),
        (readings(tick_s=0.02, every_s=1.2, shift_s=0.0), "too seldom"),
    ],
)
def test_a_window_that_was_not_watched_closely_has_no_energy(read: list[Reading], reason: str) -> None:
    found = samplers_counter.work(read, WINDOW_5)
    assert isinstance(found, str)
    assert reason in found


def test_the_window_is_filled_with_whole_rounds_after_a_rest() -> None:
    clock = FakeClock()
    framework = FakeFramework(clock, first_ns=100_000, wait_ns=0)
    workload = make("regression", size="base", optimizer="adam")
    step = framework.build(workload, "eager", "float32")
    assert isinstance(step, Step)
    timer = RoundTimer(framework, step, clock)
    phases: list[str] = []

    window = inside.fill(
        timer, 1000, PhaseClock(clock, phases.append, 0), window_ns=5 * S, sleep=lambda s: clock.spend(round(s * S))
    )

    assert window.idle_end_ns - window.idle_begin_ns == 2 * S
    assert window.idle_begin_ns >= S
    assert window.end_ns - window.begin_ns == 5 * S  # 50 rounds of 1000 steps of 100 µs
    assert window.steps == 50_000
    assert phases == ["check", "rounds", "check"]
    assert clock() >= window.end_ns + REST_NS, "at rest, so that the counter may tick"
    assert framework.ADAM == KINGMA_BA


def turn(device: str, framework: str = "numpy") -> Turn:
    return Turn(
        cell=factories.cell(framework=framework, device=device, track="energy"),
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=0, warmup_cap_ns=1, round_floor_ns=1000),
        calls_per_round=4,
        cpus=(),
        threads=1,
        hash_seed=1,
        timeout_s=60,
        launcher="here",
    )


def test_a_processor_has_no_counter_and_says_so() -> None:
    record = inside.run(turn("cpu"), lambda phase: None, 0)
    assert (record.status, record.reason) == ("skipped", "only a GPU counts its energy")
    assert energy.of(record).reason == "n/a: only a GPU counts its energy"


@pytest.mark.parametrize(
    ("found", "status"), [({}, "ok"), ({"device": "cpu"}, "invalid"), ({"wrong_by": 0.1}, "invalid")]
)
def test_a_replicate_passes_the_gate_proves_its_mode_and_notes_its_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], status: str
) -> None:
    framework = FakeFramework(FakeClock(), **{"device": "cuda", **found})
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where caches are counted
    monkeypatch.setattr("bench.turns.prepare.framework_of", lambda cell: framework)
    monkeypatch.setattr(inside, "fill", partial(inside.fill, window_ns=1_000_000, sleep=lambda seconds: None))
    phases: list[str] = []

    record = inside.run(turn("cuda", "torch"), phases.append, 0)

    assert (record.status, record.timing) == (status, None), record.reason
    assert from_json(to_json(record)) == record
    if status == "ok":
        assert record.energy is not None
        assert record.energy.steps % 4 == 0
        assert record.proof is not None
        assert phases == [
            "import", "device", "build", "first_step", "check", "warmup", "check", "rounds", "check", "check",
            "teardown",
        ]  # fmt: skip
