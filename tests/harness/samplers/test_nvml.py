"""The GPU from outside: what a scripted NVML shows is what is observed, and what it refuses is empty with a reason."""

from pathlib import Path

import pynvml
import pytest

from bench.records.observation import Energy, Observation
from harness.errors import SetupError
from harness.host import gpus
from harness.host.gpus import open_gpu, require_free, wanted
from harness.host.nvidia import NvidiaError
from harness.launchers.choose import LAUNCHERS
from harness.samplers import observer as observing
from harness.samplers.base import Costs, Watched
from harness.samplers.nvml import Device, NvmlProbe
from harness.samplers.owner import Owner
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.harness.samplers.turn import CHILD, GONE, MIB, OWN, STRANGER, Host, Turn


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return Host(tmp_path / "proc").root


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.samplers.nvml.RELEASE_EVERY_S", 0.001)
    monkeypatch.setattr("harness.samplers.nvml.RELEASE_S", 0.005)


def run(proc: Path, gpu: FakeGpu | None = None) -> Observation:
    return Turn(FakeNvml(gpu or FakeGpu()), proc).run()


def test_memory_is_seen_before_at_its_peak_and_after_without_what_the_driver_keeps(proc: Path) -> None:
    seen = run(proc, FakeGpu(used_bytes=[(0, 500 * MIB), (1, 900 * MIB), (3, 2000 * MIB), (4.95, 500 * MIB)]))
    assert (seen.device_before_bytes, seen.device_peak_bytes) == (500 * MIB, 2000 * MIB)
    assert (seen.device_after_bytes, seen.device_reserved_bytes) == (500 * MIB, 600 * MIB)


def test_memory_that_is_not_given_back_is_seen(proc: Path) -> None:
    seen = run(proc, FakeGpu(used_bytes=[(0, 500 * MIB), (1, 900 * MIB), (4.95, 700 * MIB)]))
    assert seen.device_after_bytes == 700 * MIB


def test_clocks_and_power_are_those_of_warm_up_and_timed_rounds(proc: Path) -> None:
    seen = run(
        proc,
        FakeGpu(
            sm_clock_mhz=[(0, 345), (2, 1980), (3, 1900), (3.85, 1800), (4, 345)],
            power_mw=[(0, 70_000), (2, 400_000), (4, 70_000)],
        ),
    )
    assert (seen.sm_clock_median_mhz, seen.sm_clock_least_mhz) == (1940, 1800)
    assert (seen.power_median_mw, seen.power_most_mw, seen.power_limit_mw) == (400_000, 400_000, 700_000)


def test_counters_count_from_the_beginning_of_the_replicate(proc: Path) -> None:
    seen = run(
        proc,
        FakeGpu(
            ecc_corrected=[(0, 7), (2, 9)],
            ecc_uncorrected=3,
            thermal_violation_ns=[(0, 10**12), (4, 10**12 + 5)],
            energy_mj=[(0, 10**9), (4, 10**9 + 1234)],
        ),
    )
    assert (seen.ecc_corrected, seen.ecc_uncorrected) == (2, 0)
    assert (seen.thermal_violation_ns, seen.power_violation_ns) == (5, 0)
    assert seen.energy_mj == 1234


def test_reasons_for_low_clocks_are_named(proc: Path) -> None:
    mask = pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonHwThermalSlowdown
    seen = run(proc, FakeGpu(events=[(0, pynvml.nvmlClocksEventReasonGpuIdle), (2, mask), (4, 0)]))
    assert seen.clock_events == ("hw thermal slowdown", "sw power cap")


def test_an_xid_counts_for_the_replicate_in_which_it_came(proc: Path) -> None:
    assert run(proc, FakeGpu(xids=[(0.0, 13), (2.0, 31)])).xids == (31,)


def test_errors_that_cannot_be_listened_for_are_missing(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu(xids=[(2.0, 31)]))
    nvml.fail("nvmlDeviceRegisterEvents", pynvml.NVML_ERROR_NOT_SUPPORTED)
    seen = Turn(nvml, proc).run()
    assert seen.xids == ()
    assert "xids: Not Supported" in seen.missing


def test_a_driver_that_reports_errors_without_end_is_not_listened_to_for_ever(proc: Path) -> None:
    turn = Turn(FakeNvml(FakeGpu(xids=[(0.0, 13)] * 1000)), proc)
    assert len(turn.device.xids()) == 100


def test_processes_are_the_replicates_others_or_gone(proc: Path) -> None:
    def programs(now: float) -> dict[int, int | None]:
        if now < 1:
            return {GONE: 5}  # the replicate before, which the driver still lists
        return {OWN: 300 * MIB, CHILD: 50 * MIB, GONE: 5, **({STRANGER: 1} if now > 3.5 else {})}

    seen = run(proc, FakeGpu(programs=programs))
    assert seen.foreign == (f"process {STRANGER}",)
    assert seen.device_process_peak_bytes == 350 * MIB


def test_a_member_of_the_same_group_is_no_stranger(proc: Path) -> None:
    watched, member = Watched("cell#1"), Watched("cell#2")
    watched.started(OWN)
    member.started(STRANGER)
    assert Owner(watched, str(proc)).others([OWN, CHILD, STRANGER]) == [STRANGER]
    assert Owner(watched, str(proc), group={watched, member}).others([OWN, CHILD, STRANGER]) == []


def test_a_process_in_the_replicates_container_is_its_own(tmp_path: Path) -> None:
    host = Host(tmp_path / "proc")
    host.add(200, group="/docker/abc")
    host.add(201, group="/docker/abc")  # not in the tree that this host sees
    host.add(202, group="/docker/def")
    turn = Turn(FakeNvml(FakeGpu(programs=lambda now: {201: MIB, 202: MIB} if now > 1 else {})), host.root)
    seen = turn.run(pid=200)
    assert seen.foreign == ("process 202",)
    assert seen.device_process_peak_bytes == MIB


def test_programs_are_listed_at_edges_of_phases_and_never_in_the_timed_rounds(proc: Path) -> None:
    listed: list[float] = []

    def programs(now: float) -> dict[int, int | None]:
        listed.append(now)
        return {}

    run(proc, FakeGpu(programs=programs))
    assert listed == [0.05, 0.1, 1.0, 2.0, 4.0, 4.5, 5.0]


def test_what_a_gpu_does_not_offer_is_asked_once_and_empty_with_the_reason(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_NOT_SUPPORTED)
    nvml.fail("nvmlDeviceGetTotalEccErrors", pynvml.NVML_ERROR_NO_PERMISSION)
    seen = Turn(nvml, proc).run()
    assert (seen.power_most_mw, seen.ecc_corrected) == (None, None)
    assert "power_median_mw, power_most_mw: Not Supported" in seen.missing
    assert any(line.startswith("ecc_corrected, ecc_uncorrected: Insufficient Permissions (") for line in seen.missing)
    assert nvml.calls["nvmlDeviceGetPowerUsage"] == nvml.calls["nvmlDeviceGetTotalEccErrors"] == 1
    assert seen.sm_clock_median_mhz == 1980


def test_a_gpu_that_falls_off_the_bus_is_said_once_and_asked_no_more(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu(energy_mj=[(0, 5), (2, 9)]))
    nvml.fail("*", pynvml.NVML_ERROR_GPU_IS_LOST, since=2.5)
    turn = Turn(nvml, proc)
    seen = turn.run()
    assert turn.said == [
        "GPU GPU-1111 was lost: GPU is lost. Its figures are empty from now on, those of the processor continue; "
        "dmesg says why."
    ]
    assert "gpu: GPU GPU-1111 was lost: GPU is lost" in seen.missing
    assert (seen.energy_mj, seen.device_after_bytes, seen.ecc_corrected) == (None, None, None)
    calls = sum(nvml.calls.values())
    turn.probe.look(10**10)
    assert sum(nvml.calls.values()) == calls


def test_a_call_that_fails_now_and_then_leaves_a_gap(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_TIMEOUT, since=2.0, until=2.5)
    seen = Turn(nvml, proc).run()
    assert seen.power_median_mw == 70_000
    assert not any("power_most_mw" in line for line in seen.missing)


def test_a_call_that_is_never_answered_is_empty_with_the_last_reason(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetTemperature", pynvml.NVML_ERROR_UNKNOWN)
    seen = Turn(nvml, proc).run()
    assert seen.temperature_most_c is None
    assert "temperature_most_c: no answer, Unknown Error" in seen.missing
    assert nvml.calls["nvmlDeviceGetTemperature"] == 49


def test_a_call_that_takes_long_is_made_at_one_look_of_ten_and_its_latency_is_known(proc: Path) -> None:
    nvml = FakeNvml(FakeGpu())
    turn = Turn(nvml, proc)
    nvml.costs["nvmlDeviceGetPowerUsage"] = lambda: turn.clock.spend(4_500_000)
    nvml.costs["nvmlDeviceGetTemperature"] = lambda: turn.clock.spend(20_000)
    turn.run()
    assert nvml.calls["nvmlDeviceGetPowerUsage"] <= 6
    assert nvml.calls["nvmlDeviceGetTemperature"] == 49
    assert turn.costs.slowest() == ("gpu power", 4_500_000)
    rows = {metric: value for _, _, _, metric, value in turn.costs.samples(0, "cell#1")}
    assert rows["gpu temperature median_ns"] == 20_000


def test_the_drivers_buffer_takes_the_place_of_asking(proc: Path) -> None:
    every_20_ms = [(stamp, 100_000 + stamp // 1000) for stamp in range(20_000, 5_000_000, 20_000)]
    nvml = FakeNvml(FakeGpu(buffers={pynvml.NVML_TOTAL_POWER_SAMPLES: every_20_ms}, power_mw=1))
    turn = Turn(nvml, proc)
    seen = turn.run()
    power = [(t_ns, value) for t_ns, _, _, metric, value in turn.samples if metric == "power_mw"]
    assert [(t_ns // 1000, value) for t_ns, value in power if value > 1] == every_20_ms[
        2:
    ]  # those since it began, each once
    assert nvml.calls["nvmlDeviceGetPowerUsage"] == 1  # until the buffer had answered
    assert seen.power_median_mw == pytest.approx(100_000 + 3000, abs=20)


def test_an_instance_has_memory_and_programs_of_its_own_and_the_gpus_clocks(proc: Path) -> None:
    small = FakeGpu(uuid="MIG-1", used_bytes=10 * MIB, reserved_bytes=0)
    other = FakeGpu(uuid="MIG-2", used_bytes=20 * MIB, reserved_bytes=0)
    nvml = FakeNvml(FakeGpu(instances=[small, other], sm_clock_mhz=1200))
    for name, uuid, used in (("0", "MIG-1", 10), ("0:1", "MIG-2", 20), ("MIG-2", "MIG-2", 20)):
        gpu = open_gpu(name, nvml)
        probe = NvmlProbe(Device(gpu, print), Watched("cell#1"), Owner(Watched("cell#1"), str(proc)), Costs())
        probe.begin(0)
        assert (gpu.uuid, gpu.is_instance) == (uuid, True)
        assert probe.before["device_used_bytes"] == used * MIB
        assert ("sm_clock_mhz", 1200.0) in [(metric, value) for *_, metric, value in probe.look(1)]


def test_gpus_are_told_apart_by_index_and_uuid() -> None:
    nvml = FakeNvml(FakeGpu(uuid="GPU-aaaa-1"), FakeGpu(uuid="GPU-bbbb-2"))
    assert [open_gpu(name, nvml).uuid for name in ("0", "1", "GPU-bbbb-2", "GPU-b")] == [
        "GPU-aaaa-1",
        "GPU-bbbb-2",
        "GPU-bbbb-2",
        "GPU-bbbb-2",
    ]
    for name in ("2", "GPU-c", "all"):
        with pytest.raises(NvidiaError, match=f"there is no GPU '{name}'"):
            open_gpu(name, nvml)
    assert nvml.opened == 4


@pytest.mark.parametrize(
    ("launcher", "variables", "gpu"),
    [
        ("venv", {}, "0"),
        ("here", {"CUDA_VISIBLE_DEVICES": "GPU-b,GPU-a", "SAMESTEP_GPU": "3"}, "GPU-b"),
        ("venv", {"CUDA_VISIBLE_DEVICES": ""}, ""),  # for CUDA there is no GPU then
        ("docker", {"CUDA_VISIBLE_DEVICES": "1", "SAMESTEP_GPU": "GPU-c"}, "GPU-c"),
        ("workers", {"SAMESTEP_GPU": ""}, "0"),
    ],
)
def test_the_gpu_is_the_launchers(launcher: str, variables: dict[str, str], gpu: str) -> None:
    assert wanted(variables, in_container=LAUNCHERS[launcher].in_container) == gpu


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
            r"NVML Shared Library Not Found \(install the NVIDIA driver; a container .*\)",
        ),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, r"version mismatch\. \(the driver was updated .*: restart"),
        (pynvml.NVML_ERROR_NO_PERMISSION, r"Insufficient Permissions \(give this user"),
    ],
)
def test_a_host_without_a_working_nvml_says_so_once_and_goes_on(error: int, sentence: str) -> None:
    said: list[str] = []
    observer = observing.Observer(device="cuda", gpu="0", say=said.append, nvml=FakeNvml(init_error=error))
    with observer.watch("cell#1") as watch:
        pass
    with observer.watch("cell#2"):
        pass
    observer.close()
    assert len(said) == 1
    with pytest.raises(NvidiaError, match=sentence):
        open_gpu("0", FakeNvml(init_error=error))
    seen = watch.observation()
    assert seen.device_peak_bytes is None
    assert any(line.startswith("gpu: ") for line in seen.missing)
    assert seen.load_percent is not None


def test_nvml_is_given_back_when_the_run_ends() -> None:
    nvml = FakeNvml(FakeGpu())
    observer = observing.Observer(device="cuda", gpu="0", say=print, nvml=nvml)
    assert nvml.opened == 1
    observer.close()
    observer.close()
    assert nvml.opened == 0


def test_a_run_on_the_processor_asks_no_gpu() -> None:
    nvml = FakeNvml(FakeGpu())
    with observing.Observer(device="cpu", gpu="0", say=print, nvml=nvml).watch("cell#1") as watch:
        pass
    assert not nvml.calls
    assert "gpu: the run does not use one" in watch.observation().missing


def test_a_gpu_in_use_is_refused_by_name_unless_sharing_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    nvml = FakeNvml(FakeGpu(), FakeGpu(uuid="GPU-2", programs=lambda now: {STRANGER: 5}))
    monkeypatch.setattr("harness.host.nvidia.program", lambda pid: f"python ({pid})")
    monkeypatch.setattr("harness.host.pids.sees_host", lambda proc: True)
    require_free("0", said.append, shared=False, nvml=nvml)
    with pytest.raises(SetupError, match=r"GPU GPU-2 is used by python \(4711\).*--allow-shared-gpu"):
        require_free("1", said.append, shared=False, nvml=nvml)
    require_free("1", said.append, shared=True, nvml=nvml)
    assert said == ["GPU GPU-2 is used by python (4711) as well: its figures are marked"]
    assert nvml.opened == 0


def test_the_energy_of_a_window_is_read_from_the_counter(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """70 W at rest, 300 W at work from second 3 to 4, the counter read ten times a second."""
    steps = [(tenth / 10, 7000 * tenth + 23_000 * min(max(0, tenth - 30), 10)) for tenth in range(50)]
    monkeypatch.setattr(observing, "clock_offset_ns", lambda: 0)
    turn = Turn(FakeNvml(FakeGpu(energy_mj=steps)), proc)
    turn.run()
    window = Energy(idle_begin_ns=10**9, idle_end_ns=2 * 10**9, begin_ns=3 * 10**9, end_ns=4 * 10**9, steps=10)
    seen = turn.seen(window)
    assert (seen.energy_idle_mj, seen.energy_window_mj) == (70_000, 300_000)


def test_every_kind_of_gpu_field_is_empty_or_explained() -> None:
    """A field of the GPU that is None has a line in `missing`, whatever NVML refuses."""
    nvml = FakeNvml(FakeGpu())
    nvml.fail("*", pynvml.NVML_ERROR_NOT_SUPPORTED, since=1.0)
    nvml.now = 0.0
    gpu = gpus.open_gpu("0", nvml)
    nvml.now = 1.0
    observer = observing.Observer(device="cuda", gpu="0", say=print, nvml=FakeNvml(FakeGpu()))
    observer._device = Device(gpu, print)
    with observer.watch("cell#1") as watch:
        pass
    seen = watch.observation()
    named = {name for line in seen.missing for name in line.partition(": ")[0].split(", ")}
    fields = [name for name in observing.fields_of_the_gpu() if name not in ("energy_window_mj", "energy_idle_mj")]
    assert [name for name in fields if getattr(seen, name) is None and name not in named] == []
