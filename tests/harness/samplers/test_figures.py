"""Figures of the GPU that depend on when and how they are read: stamps of buffers, the energy counter, phases."""

import itertools
from pathlib import Path

import pynvml
import pytest

from bench.records.observation import Energy
from harness.samplers import observer as observing
from harness.samplers import stamps
from harness.samplers.counter import Reading, work
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.harness.samplers.turn import MIB, Host, Turn

S = 10**9
WINDOW = Energy(idle_begin_ns=S, idle_end_ns=2 * S, begin_ns=3 * S, end_ns=4 * S, steps=10)  # rounds are 3 s to 4 s


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.samplers.nvml.RELEASE_S", 0.0)
    monkeypatch.setattr("harness.samplers.nvml.TICK_S", 0.0)
    monkeypatch.setattr(observing, "clock_offset_ns", lambda: 0)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return Host(tmp_path / "proc").root


@pytest.mark.parametrize(
    ("boot_s", "exact"),
    [(0, True), (3600, True), (3500, True), (77_777_777, False)],
    ids=["Unix time", "boot clock", "monotonic clock", "unknown clock"],
)
def test_the_buffers_samples_lie_in_their_phase_whatever_the_clock_of_their_stamps(
    proc: Path, boot_s: int, exact: bool
) -> None:
    """The newest stamp is 20 ms old when it is read; of an unknown clock that is not known."""
    begin = boot_s * 10**6
    every_20_ms = [(begin + at, at // 1000) for at in range(20_000, 5_000_000, 20_000)]
    nvml = FakeNvml(FakeGpu(buffers={pynvml.NVML_TOTAL_POWER_SAMPLES: [(t - 20_000, v) for t, v in every_20_ms]}))
    nvml.boot_us = begin
    turn = Turn(nvml, proc)
    seen = turn.run()
    power = [(t_ns, value) for t_ns, _, _, metric, value in turn.samples if metric == "power_mw" and value < 70_000]
    assert len(power) > 200
    worst = max(abs(t_ns / 1e6 - (value - 20)) for t_ns, value in power)
    assert worst < (1e-3 if exact else 100)
    assert seen.power_median_mw == pytest.approx(3000, abs=60 if exact else 100)
    assert not any("power_median_mw" in line for line in seen.missing)


def test_a_stamp_is_of_the_clock_that_was_there_a_moment_ago() -> None:
    now = (1_800_000_000 * S, 5000 * S, 4000 * S)
    assert stamps.unix_ahead_ns(4_999_900_000, now) == now[0] - now[1]
    assert stamps.unix_ahead_ns(3_999_900_000, now) == now[0] - now[2]
    assert stamps.unix_ahead_ns(1_799_999_999_900_000, now) == 0
    assert stamps.unix_ahead_ns(1_234_567, now) == now[0] - 1_234_567_000  # none: the newest is taken as of now
    assert stamps.unix_ahead_ns(4_996_000_000, now) == now[0] - 4_996 * S  # of the driver, not of the host's start


def test_a_buffer_that_stops_is_no_reason_to_ask_no_more(proc: Path) -> None:
    first_second = [(stamp, 1) for stamp in range(20_000, 1_200_000, 20_000)]
    seen = Turn(
        FakeNvml(FakeGpu(buffers={pynvml.NVML_TOTAL_POWER_SAMPLES: first_second}, power_mw=300_000)), proc
    ).run()
    assert seen.power_median_mw == 300_000


def counter(every_ms: int) -> list[tuple[float, int]]:
    """Ticks of an energy counter: 100 W at rest, 300 W from second 3, 100 W from second 4."""
    ticks = range(0, 5000, every_ms)
    return [
        (ms / 1000, 100 * min(ms, 3000) + 300 * max(0, min(ms, 4000) - 3000) + 100 * max(0, ms - 4000)) for ms in ticks
    ]


@pytest.mark.parametrize("slow", [False, True])
def test_a_slow_energy_counter_is_read_at_every_look_of_an_energy_replicate(proc: Path, slow: bool) -> None:
    nvml = FakeNvml(FakeGpu(energy_mj=counter(50)))
    turn = Turn(nvml, proc, energy=True)
    nvml.costs["nvmlDeviceGetTotalEnergyConsumption"] = lambda: turn.clock.spend(30_000_000 if slow else 10_000)
    turn.run()
    seen = turn.seen(WINDOW)
    assert nvml.calls["nvmlDeviceGetTotalEnergyConsumption"] == 51
    assert seen.energy_window_mj == pytest.approx(300_000, rel=0.01)
    assert seen.energy_idle_mj == pytest.approx(100_000, rel=0.01)


def test_a_replicate_that_is_timed_is_not_disturbed_by_a_slow_counter(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu(energy_mj=counter(50)))
    turn = Turn(nvml, proc)
    nvml.costs["nvmlDeviceGetTotalEnergyConsumption"] = lambda: turn.clock.spend(30_000_000)
    turn.run()
    assert nvml.calls["nvmlDeviceGetTotalEnergyConsumption"] <= 7
    seen = turn.seen(WINDOW)
    assert (seen.energy_window_mj, seen.energy_idle_mj) == (None, None)
    (why,) = [line for line in seen.missing if line.startswith("energy_window_mj")]
    assert "too seldom" in why


@pytest.mark.parametrize(
    ("every_ms", "said"), [(100, "known to 15% of"), (800, "every 800 ms only, too seldom for them")]
)
def test_how_exactly_the_energy_of_a_step_is_known_is_said_where_it_matters(
    proc: Path, every_ms: int, said: str
) -> None:
    """In a window of a second."""
    turn = Turn(FakeNvml(FakeGpu(energy_mj=counter(every_ms))), proc, energy=True)
    turn.run()
    seen = turn.seen(WINDOW)
    (line,) = [line for line in seen.missing if line.startswith("energy_window_mj")]
    assert said in line
    assert (seen.energy_window_mj is None) == ("seldom" in said)


def test_at_rest_the_counter_is_read_until_it_ticks(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.samplers.nvml.TICK_S", 0.1)
    nvml = FakeNvml(FakeGpu(energy_mj=counter(50)))
    turn = Turn(nvml, proc, energy=True)

    def takes() -> None:
        nvml.now += 0.002

    nvml.costs["nvmlDeviceGetTotalEnergyConsumption"] = takes
    turn.run()
    read = [one for one in observing.energy_counter(turn.samples) if 4 * S <= one.end_ns < 49 * S // 10]
    ticks = [b.end_ns - a.begin_ns for a, b in itertools.pairwise(read) if a.value != b.value]
    assert sum(width < 0.01 * S for width in ticks) >= 5


@pytest.mark.parametrize("late_ms", [0, 30, 70])
def test_a_reading_has_the_time_of_its_call_not_that_of_the_look(proc: Path, late_ms: int) -> None:
    """The call is made late, and the GPU works from 3 s to 4 s."""
    nvml = FakeNvml(FakeGpu(energy_mj=counter(1)))
    turn = Turn(nvml, proc, energy=True)

    def later() -> None:
        nvml.now += late_ms / 1000

    nvml.costs["nvmlDeviceGetTotalEnergyConsumption"] = later
    turn.run()
    read = [(t_ns, value) for t_ns, _, _, metric, value in turn.samples if metric == "energy_mj"]
    true = dict(counter(1))
    assert len(read) > 40
    off = [abs(value - true[round(t_ns / 1e9, 3)]) for t_ns, value in read if t_ns < 49 * S // 10]
    assert max(off) <= 300, "a millisecond, by which the script is rounded"


def test_a_counter_that_began_anew_is_empty_with_the_reason(proc: Path) -> None:
    """The driver was reset meanwhile; a record holds no negative count, and all else that was seen is kept."""
    seen = Turn(FakeNvml(FakeGpu(ecc_corrected=[(0, 7), (2, 0)], energy_mj=[(0, 500), (2, 3)])), proc).run()
    assert (seen.ecc_corrected, seen.energy_mj, seen.ecc_uncorrected) == (None, None, 0)
    assert {"ecc_corrected: the counter began anew", "energy_mj: the counter began anew"} <= set(seen.missing)
    fallen = [Reading(t * S, t * S, value) for t, value in enumerate((500.0, 600.0, 3.0, 4.0, 5.0))]
    assert work(fallen, WINDOW) == "the counter began anew"


@pytest.mark.parametrize("counts_reserved", [False, True], ids=["as 590 documents it", "as 525 documents it"])
def test_used_memory_is_without_what_the_driver_reserves(proc: Path, counts_reserved: bool) -> None:
    gpu = FakeGpu(used_bytes=[(0, 4 * MIB), (2, 900 * MIB), (4.9, 4 * MIB)])
    seen = Turn(FakeNvml(gpu, counts_reserved=counts_reserved), proc).run()
    assert (seen.device_before_bytes, seen.device_peak_bytes) == (4 * MIB, 900 * MIB)
    assert (seen.device_reserved_bytes, seen.foreign) == (600 * MIB, ())


SLOW, HOT = pynvml.nvmlClocksEventReasonHwSlowdown, pynvml.nvmlClocksEventReasonHwThermalSlowdown


def test_reasons_for_low_clocks_count_in_warm_up_and_timed_rounds_only(proc: Path) -> None:
    idle, cap = pynvml.nvmlClocksEventReasonGpuIdle, pynvml.nvmlClocksEventReasonSwPowerCap
    seen = Turn(FakeNvml(FakeGpu(events=[(0, SLOW | HOT), (2, idle), (3, cap), (4, SLOW)])), proc).run()
    assert seen.clock_events == ("gpu idle", "sw power cap")


def test_a_reason_without_a_name_is_said_by_its_bit(proc: Path) -> None:
    board = pynvml.nvmlClocksThrottleReasonBoardLimit
    assert Turn(FakeNvml(FakeGpu(events=board | 1 << 20)), proc).run().clock_events == (
        "board limit",
        "reason 0x100000",
    )


def test_times_below_the_usual_clocks_count_from_warm_up_to_timed_rounds(proc: Path) -> None:
    heat = [(0, 10), (1.5, 20), (2.5, 23), (4.2, 90)]
    assert Turn(FakeNvml(FakeGpu(thermal_violation_ns=heat)), proc).run().thermal_violation_ns == 3


def test_reasons_that_were_never_seen_in_a_steady_phase_are_missing(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu(events=SLOW))
    nvml.fail("nvmlDeviceGetCurrentClocksEventReasons", pynvml.NVML_ERROR_TIMEOUT, since=2.0, until=4.0)
    seen = Turn(nvml, proc).run()
    assert seen.clock_events == ()
    assert any(line.startswith("clock_events: ") for line in seen.missing)
