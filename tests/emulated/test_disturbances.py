"""What can happen to a GPU before and during a run: what samestep says, what it keeps, what it marks."""

import subprocess
from collections.abc import Iterator

import pytest

from bench.records.observation import Observation
from bench.records.record import Record
from harness.host.emulated import CAVEAT
from tests.emulated.host import CLOCK_MHZ, TICK_MS, UUID, WORK_MW, Host

SW_THERMAL, HW_SLOWDOWN, HW_THERMAL, POWER_BRAKE, POWER_CAP = 32, 8, 64, 128, 4  # nvmlClocksEventReason…
LOST, NO_PERMISSION = 15, 4  # NVML_ERROR_…


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that may be entered as another program on the GPU."""
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


def observed(record: Record) -> Observation:
    assert record.observation is not None
    return record.observation


def flags(host: Host) -> set[str]:
    return {flag for row in host.table("steps") for flag in row["flags"].split()}


# ---- other programs ----


def test_a_program_before_the_run_refuses_it_with_the_remedies(host: Host, stranger: subprocess.Popen[bytes]) -> None:
    host.program(stranger.pid)
    ran = host.run()
    assert ran.code == 1
    assert f"GPU {UUID} is used by sleep ({stranger.pid})" in ran.said
    assert "end them" in ran.said
    assert "--allow-shared-gpu" in ran.said
    assert list(host.results.iterdir()) == []


def test_a_program_that_is_allowed_marks_every_figure(host: Host, stranger: subprocess.Popen[bytes]) -> None:
    host.program(stranger.pid)
    ran = host.run("--allow-shared-gpu")
    assert ran.code == 0, ran.said
    (record,) = host.records()
    assert observed(record).foreign == (f"sleep ({stranger.pid})",)
    assert observed(record).device_process_peak_bytes == 302 << 20, "without the other's"
    assert "SHARED" in flags(host)
    page = (host.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "another program used the GPU as well, as was allowed" in page


def test_a_program_that_comes_during_the_run_makes_it_invalid(host: Host, stranger: subprocess.Popen[bytes]) -> None:
    with host.started(*host.measuring()) as process:
        host.wait_for_work()
        host.program(stranger.pid)
        out, said = process.communicate(timeout=200)
    assert process.returncode == 3, said
    assert f"sleep ({stranger.pid}) used the GPU as well" in out + said
    assert CAVEAT in out


def test_without_permission_for_the_list_of_programs_the_run_says_so(host: Host) -> None:
    host.says(f"* nvmlDeviceGetComputeRunningProcesses_v3 {NO_PERMISSION}")
    ran = host.run()
    assert ran.code == 0, ran.said
    (sentence,) = (line for line in ran.out.splitlines() if line.startswith("Whether other programs use"))
    assert "Insufficient Permissions" in sentence
    (record,) = host.records()
    (line,) = (line for line in observed(record).missing if "foreign" in line)
    assert "Insufficient Permissions" in line
    assert observed(record).device_peak_bytes, "the other figures are there"


# ---- the clocks ----


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (SW_THERMAL, "sw thermal slowdown"),
        (HW_THERMAL, "hw thermal slowdown"),
        (POWER_BRAKE, "hw power brake slowdown"),
    ],
)
def test_heat_and_brake_while_it_works_make_it_invalid(host: Host, event: int, name: str) -> None:
    host.says(f"* events {event} working")
    ran = host.run()
    assert ran.code == 3
    assert name in ran.out
    assert {record.status for record in host.records()} == {"ok"}, "the record has what was measured"
    assert all(name in observed(record).clock_events for record in host.records())


def test_a_power_limit_while_it_works_is_a_flag(host: Host) -> None:
    host.says(f"* events {POWER_CAP} working")
    assert host.run().code == 0
    assert "POWERCAP" in flags(host)


@pytest.mark.parametrize("event", [HW_SLOWDOWN, SW_THERMAL | HW_SLOWDOWN])
def test_a_slowdown_while_it_imports_is_none(host: Host, event: int) -> None:
    host.says(f"* events {event} loading")
    ran = host.run()
    assert ran.code == 0, ran.out + ran.said
    assert len(host.records()) == 1, "no second attempt"
    assert not {"POWERCAP", "UNLOCKED", "RERUN"} & flags(host)


# ---- the counter of energy, and the buffers ----


@pytest.mark.parametrize(
    ("script", "tick_ms"), [("* nvmlDeviceGetTotalEnergyConsumption/ms 3", TICK_MS), ("* tick_ms 100", 100)]
)
def test_energy_is_right_by_a_slow_call_and_by_a_coarse_tick(host: Host, script: str, tick_ms: int) -> None:
    host.says(script)
    ran = host.run("--measure", "energy")
    assert ran.code == 0, ran.said
    assert host.has_right_energy(tick_ms=tick_ms), host.energy()


def test_a_counter_that_ticks_too_seldom_gives_no_energy_and_the_reason(host: Host) -> None:
    host.says("* tick_ms 1500")
    ran = host.run("--measure", "energy")
    assert ran.code == 0, ran.said
    row = host.energy()
    assert row["energy_per_step_uj"] == ""
    assert row["energy_missing"]
    assert f"No energy of a step in one row: {row['energy_missing']}" in ran.out


@pytest.mark.parametrize("stamps", [1, 2], ids=["boot time", "Unix time"])
def test_samples_of_the_buffers_belong_to_their_phases(host: Host, stamps: int) -> None:
    host.says(f"* stamps {stamps}")
    assert host.run().code == 0
    (record,) = host.records()
    figures = observed(record)
    assert (figures.power_median_mw, figures.sm_clock_median_mhz) == (WORK_MW, CLOCK_MHZ), figures.missing
    assert figures.sm_clock_least_mhz == CLOCK_MHZ, "none of the import, at 345 MHz"


# ---- the GPU itself ----


def test_a_gpu_that_is_lost_in_the_middle_loses_nothing_that_was_measured(host: Host) -> None:
    host.says(f"* nvmlDevice* {LOST} 2")
    ran = host.run("--mode", "eager,graph", "--seed", "1")
    first, second = host.records()
    assert observed(first).power_median_mw == WORK_MW
    assert observed(first).missing == () or all(not line.startswith("gpu:") for line in observed(first).missing)
    assert any("was lost" in line for line in observed(second).missing)
    assert (first.status, second.status) == ("ok", "ok"), "the framework has computed"
    assert (ran.out + ran.said).count("was lost: GPU is lost. Its figures") == 1
    assert (host.folder / "report" / "index.html").is_file()
    assert CAVEAT in ran.out
    assert "Traceback" not in ran.said


@pytest.mark.parametrize("name", ["GPU-emulated-1", "1"])
def test_of_two_gpus_the_chosen_one_is_observed_and_named(host: Host, name: str) -> None:
    host.says("* count 2", "1 model L4", "1 total 25769803776", "1 power_limit_mw 72000")
    variables = {"CUDA_VISIBLE_DEVICES": name, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    ran = host.run(variables=variables)
    assert ran.code == 0, ran.said
    (record,) = host.records()
    figures = observed(record)
    assert (figures.gpu, figures.power_limit_mw) == ("GPU-emulated-1", 72_000)
    assert figures.device_process_peak_bytes == 302 << 20
    assert record.environment is not None
    assert record.environment.device_name == "Emulated L4"
    page = (host.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Emulated L4, driver" in page
    assert "H100" not in page


def test_a_size_has_to_fit_into_the_chosen_gpu(host: Host) -> None:
    words = ("--workload", "regression", "--size", "base")
    chosen = {"CUDA_VISIBLE_DEVICES": "GPU-emulated-1"}
    host.says("* count 2", "1 total 1024")
    ran = host.run(*words, variables=chosen)
    assert ran.code == 1, ran.said
    assert "regression base holds at least" in ran.said
    assert "that the GPU has" in ran.said
    host.says("* count 2", "0 total 1024")
    planned = ("--framework", "emulated", "--device", "cuda", "--launcher", "here", "--results", str(host.results))
    assert host.samestep("plan", *planned, *words, variables=chosen).code == 0


ABSENT = {
    "no library": ((), "NVML Shared Library Not Found", "install the NVIDIA driver"),
    "no GPU": (("* count 0",), "no GPU", "nvidia-smi"),
    "another driver's library": (
        ("* nvmlInitWithFlags 18",),
        "RM has detected an NVML/RM version mismatch.",
        "restart",
    ),
    "no kernel module": (("* nvmlInitWithFlags 9",), "Driver Not Loaded", "modprobe nvidia"),
    "no permission": (("* nvmlInitWithFlags 4",), "Insufficient Permissions", "/dev/nvidia"),
    "lost": ((f"* nvmlDevice* {LOST}",), "GPU is lost", "restart"),
}


@pytest.mark.parametrize("launcher", ["here", "workers"])
@pytest.mark.parametrize("what", ABSENT)
def test_without_a_gpu_one_sentence_says_what_is_missing(host: Host, what: str, launcher: str) -> None:
    script, found, remedy = ABSENT[what]
    host.says(*script)
    if what == "no library":
        for library in host.driver.glob("*.so.1"):
            library.unlink()
    ran = host.run("--launcher", launcher)
    assert ran.code == 1
    assert list(host.results.iterdir()) == []
    (line,) = ran.said.splitlines()
    assert line.startswith("samestep: --device cuda needs an NVIDIA GPU: ")
    assert found in line
    assert remedy in line
    assert ran.out == ""


@pytest.mark.parametrize("what", ABSENT)
def test_doctor_says_the_same(host: Host, what: str) -> None:
    script, found, _ = ABSENT[what]
    host.says(*script)
    if what == "no library":
        for library in host.driver.glob("*.so.1"):
            library.unlink()
    ran = host.samestep("doctor")
    assert "Traceback" not in ran.said
    assert " ".join(found.split()) in " ".join(ran.out.split())
