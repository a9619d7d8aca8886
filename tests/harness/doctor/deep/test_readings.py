"""What NVML says and what asking costs, read from a scripted NVML."""

import time
from types import SimpleNamespace

import pynvml
import pytest

from harness.doctor.deep import readings
from harness.doctor.deep.under_load import Watcher
from harness.samplers import calls
from tests.fake_nvml import FakeGpu
from tests.fakes import FakeClock
from tests.harness.doctor.deep.lockable import LOCKED, LockableNvml, opened

MIB = 1 << 20
POWER = pynvml.NVML_TOTAL_POWER_SAMPLES
COUNTERS_ASKED = ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetMemoryInfo")


def costs(nvml: LockableNvml, times: int = 5) -> dict[str, readings.CallCost]:
    return {cost.function: cost for cost in readings.costs(opened(nvml), times)}


def test_every_function_that_the_samplers_call_is_timed() -> None:
    nvml = LockableNvml(FakeGpu())
    found = costs(nvml)
    assert {
        *COUNTERS_ASKED,
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetViolationStatus",
        "nvmlDeviceGetTotalEccErrors",
        "nvmlDeviceGetSamples",
        "nvmlEventSetWait_v2",
    } <= found.keys()
    assert found["nvmlDeviceGetPowerUsage"].times == 5
    assert {cost.error for name, cost in found.items() if name != "nvmlDeviceGetSamples"} == {""}


def test_the_time_of_a_call_is_its_median_and_its_longest() -> None:
    clock = FakeClock()
    nvml = LockableNvml(FakeGpu())
    lasting = iter((2_000_000, 2_000_000, 9_000_000))
    nvml.costs["nvmlDeviceGetPowerUsage"] = lambda: clock.spend(next(lasting))
    timed = readings.Timed(nvml, clock)
    for _ in range(3):
        timed.nvmlDeviceGetPowerUsage(nvml.gpus[0])
    (cost,) = timed.costs()
    assert (cost.median_ns, cost.longest_ns, cost.times) == (2_000_000, 9_000_000, 3)


def test_what_is_refused_has_the_name_of_nvmls_error_and_is_asked_once() -> None:
    nvml = LockableNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetTotalEnergyConsumption", pynvml.NVML_ERROR_NOT_SUPPORTED)
    cost = costs(nvml)["nvmlDeviceGetTotalEnergyConsumption"]
    assert (cost.error, cost.times) == ("NotSupported", 1)


def test_nothing_new_in_a_buffer_is_no_error() -> None:
    buffers = {kind: [(1, 5)] for kind in (POWER, pynvml.NVML_PROCESSOR_CLK_SAMPLES, pynvml.NVML_MEMORY_CLK_SAMPLES)}
    nvml = LockableNvml(FakeGpu(buffers=buffers))
    nvml.now = 1.0
    cost = costs(nvml)["nvmlDeviceGetSamples"]
    assert (cost.error, cost.times) == ("", 15)


def test_nvml_is_closed_as_often_as_it_was_opened() -> None:
    nvml = LockableNvml(FakeGpu())
    gpu = opened(nvml)
    readings.at_rest(gpu)
    gpu.close()
    assert nvml.opened == 0


def test_reading_at_rest_changes_nothing_of_the_gpu() -> None:
    nvml = LockableNvml(FakeGpu())
    readings.at_rest(opened(nvml))
    assert not nvml.locks


@pytest.mark.parametrize(
    ("stamps", "clock"), [("unix", "Unix time"), ("boot", "time since boot"), ("other", ""), ("none", "")]
)
def test_the_clock_of_a_buffers_stamps_is_told(stamps: str, clock: str) -> None:
    now_us = {
        "unix": time.time_ns() // 1000,
        "boot": time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000,
        "other": 10**18,
    }.get(stamps)
    samples = [] if now_us is None else [(now_us - 40_000, 1), (now_us - 20_000, 2), (now_us, 3)]
    nvml = LockableNvml(FakeGpu(buffers={POWER: samples}))
    nvml.now = 1e13
    (power,) = (call for call in calls.OFTEN if call.metric == "power_mw")
    found = readings.buffer(opened(nvml), power)
    assert (found.clock, found.samples) == (clock, len(samples))
    assert found.apart_ms == (20 if samples else None)


@pytest.mark.parametrize(("reserved", "includes"), [(600 * MIB, False), (0, None)])
def test_whether_used_counts_what_is_reserved_is_told_by_the_two_versions_of_the_call(
    reserved: int, includes: bool | None
) -> None:
    rest = readings.at_rest(opened(reserved_bytes=reserved))
    assert (rest.reserved_bytes, rest.used_includes_reserved) == (reserved, includes)


def test_used_of_version_2_that_has_the_reserved_in_it_is_told() -> None:
    class Together(LockableNvml):
        """Version 2 counts as version 1."""

        def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, version: int | None = None) -> SimpleNamespace:  # noqa: N802
            found = super().nvmlDeviceGetMemoryInfo(gpu, version)
            found.used += 0 if version is None else found.reserved
            return found

    assert readings.at_rest(opened(Together(FakeGpu()))).used_includes_reserved is True


def test_an_old_driver_leaves_readings_empty_and_raises_nothing() -> None:
    nvml = LockableNvml(FakeGpu())
    gpu = opened(nvml)
    nvml.fail("*", pynvml.NVML_ERROR_NOT_SUPPORTED)
    rest = readings.at_rest(gpu)
    assert (rest.power_mw, rest.used_1_bytes, rest.sm_clock_mhz, rest.clock_events) == (None, None, None, ())
    assert all(cost.error for cost in rest.costs if cost.function in COUNTERS_ASKED)


def test_the_tick_of_a_counter_is_its_smallest_step_and_how_far_apart_steps_are() -> None:
    counter = [(t * 1_000_000, 1000 + 70 * (t // 20) + (5 if t >= 60 else 0)) for t in range(100)]
    assert readings.tick(counter) == (70, 20.0)
    assert readings.tick([(0, 1), (10, 1)]) is None


def test_how_long_the_power_takes_to_come_to_rest() -> None:
    nvml = LockableNvml(FakeGpu(power_mw=[(0, 300_000), (1.0, 75_000)]))

    def sleep(seconds: float) -> None:
        nvml.now += seconds

    assert readings.settling_s(opened(nvml), 70_000, sleep) == pytest.approx(1.0, abs=0.1)
    hot = opened(power_mw=300_000)
    assert readings.settling_s(hot, 70_000, lambda seconds: None) is None
    assert readings.settling_s(hot, None) is None


def test_clocks_are_unlocked_whatever_happens_while_they_are_locked() -> None:
    nvml = LockableNvml(FakeGpu())

    def interrupted() -> None:
        with readings.locked(opened(nvml)) as mhz:
            assert mhz == 1400
            assert nvml.gpus[0].events == LOCKED
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert nvml.locks == [1400, 0]


def test_a_watcher_sees_ticks_clocks_and_programs() -> None:
    nvml = LockableNvml(FakeGpu(power_mw=300_000, gpu_percent=90, events=LOCKED, programs=lambda now: {1: 5, 2**30: 7}))
    reads = 0

    def grow() -> None:
        nonlocal reads
        reads += 1
        nvml.gpus[0].energy_mj = 1000 * (reads // 4)

    nvml.costs["nvmlDeviceGetTotalEnergyConsumption"] = grow
    deadline = time.monotonic() + 20
    with Watcher(opened(nvml)) as watcher:
        while reads < 20 and time.monotonic() < deadline:
            time.sleep(0.001)
    seen = watcher.seen
    assert (seen.tick_mj, seen.power_most_mw, seen.gpu_percent_most) == (1000, 300_000, 90)
    assert seen.clock_events == ("applications clocks setting",)
    assert (seen.programs, seen.alive, seen.with_memory) == (2, 1, 2)


def test_a_watcher_whose_gpu_refuses_everything_ends_all_the_same() -> None:
    nvml = LockableNvml(FakeGpu())
    gpu = opened(nvml)
    nvml.fail("*", pynvml.NVML_ERROR_GPU_IS_LOST)
    with Watcher(gpu) as watcher:
        pass
    assert (watcher.seen.tick_mj, watcher.seen.programs) == (None, 0)
