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
from bench.records.observation import Energy, Observation
from bench.records.record import Record
from bench.reference.workload import KINGMA_BA
from bench.tracks import energy as inside
from bench.turns.turn import Settings, Turn
from bench.workloads import make
from harness.samplers import counter as samplers_counter
from harness.stats import energy
from tests import factories
from tests.fakes import FakeClock, FakeFramework

S = 1_000_000_000
WINDOW = Energy(idle_begin_ns=1 * S, idle_end_ns=3 * S, begin_ns=4 * S, end_ns=10 * S, steps=30_000)
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


@pytest.mark.parametrize("tick_s", [0.02, 0.1, 0.25])
def test_a_counter_that_ticks_now_and_then_gives_5_s_within_2_percent(tick_s: float) -> None:
    """Read at 10 Hz, 250 W all the time, wherever the window lies; compared with the product of power and time."""
    reads = np.arange(0, 10, 0.1)
    counter = [(round(t * S), 250_000 * tick_s * np.floor(t / tick_s + 1e-9)) for t in reads]
    for begin_s in np.arange(2, 3, 0.03):
        found = samplers_counter.between(counter, round(begin_s * S), round((begin_s + 5.13) * S))
        assert found == pytest.approx(250_000 * 5.13, rel=0.02)


def test_a_window_that_was_not_watched_has_no_energy() -> None:
    counter = [(t * S, 1000.0 * t) for t in range(3, 8)]
    assert samplers_counter.between(counter, 2 * S, 5 * S) is None
    assert samplers_counter.between(counter, 4 * S, 9 * S) is None
    assert samplers_counter.between([], 0, 1) is None
    assert samplers_counter.between(counter, 4 * S, 6 * S) == 2000


def test_a_counter_that_stands_still_gives_nothing() -> None:
    assert samplers_counter.between([(t * S, 5.0) for t in range(10)], S, 7 * S) == 0


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
    assert phases == ["check", "rounds"]
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
        assert phases == ["import", "device", "build", "first_step", "check", "warmup", "check", "rounds", "check",
                          "teardown"]  # fmt: skip
