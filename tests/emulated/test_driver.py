"""The stand-in of the driver: its structures are NVIDIA's, and pynvml reads from it what the script says."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest

from tests.emulated.host import LIBRARIES, Host

STRUCTURES = (
    "c_nvmlMemory_t",
    "c_nvmlMemory_v2_t",
    "c_nvmlProcessInfo_v3_t",
    "c_nvmlUtilization_t",
    "c_nvmlSample_t",
    "c_nvmlViolationTime_t",
    "c_nvmlEventData_t",
)


def asked(host: Host, code: str, **variables: str) -> str:
    """Return what a process on the host prints that has asked its driver."""
    return subprocess.run(
        [sys.executable, "-c", f"import pynvml as n\nn.nvmlInit()\ngpu = n.nvmlDeviceGetHandleByIndex(0)\n{code}"],
        env={**os.environ, "LD_LIBRARY_PATH": str(host.driver), **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.parametrize("structure", STRUCTURES)
def test_its_structures_are_as_large_as_pynvmls(library: Path, structure: str) -> None:
    assert ctypes.CDLL(str(library)).emulated_size(structure.encode()) == ctypes.sizeof(getattr(pynvml, structure))


def test_it_answers_from_the_script(host: Host) -> None:
    host.says("0 power_mw 123456", "* nvmlDeviceGetTemperature 15")
    code = """
print(n.nvmlSystemGetDriverVersion(), n.nvmlDeviceGetName(gpu), n.nvmlDeviceGetUUID(gpu), sep=",")
print(n.nvmlDeviceGetPowerUsage(gpu), n.nvmlDeviceGetMemoryInfo(gpu, version=n.nvmlMemory_v2).used)
try:
    n.nvmlDeviceGetTemperature(gpu, 0)
except n.NVMLError as error:
    print(error)
try:
    n.nvmlDeviceGetFanSpeed(gpu)
except n.NVMLError as error:
    print(error)
"""
    assert asked(host, code).splitlines() == [
        "580.95.05-emulated,Emulated H100,GPU-emulated-0",
        "123456 4194304",
        "GPU is lost",
        "Function Not Found",
    ]


def test_whatever_the_script_says_it_calls_itself_emulated(host: Host) -> None:
    host.says("* model NVIDIA_H100", "* driver 1")
    said = asked(host, "print(n.nvmlSystemGetDriverVersion(), n.nvmlDeviceGetName(gpu), n.nvmlDeviceGetUUID(gpu))")
    assert said == "1-emulated Emulated NVIDIA_H100 GPU-emulated-0"


def test_a_program_counts_as_long_as_it_lives(host: Host) -> None:
    host.says("* events 8 loading")
    ended = subprocess.Popen(["true"])
    ended.wait()
    host.program(ended.pid, 1 << 20)
    host.program(os.getpid(), 3 << 20)
    code = """
print([(one.pid, one.usedGpuMemory) for one in n.nvmlDeviceGetComputeRunningProcesses_v3(gpu)])
print(n.nvmlDeviceGetMemoryInfo(gpu, version=n.nvmlMemory_v2).used, n.nvmlDeviceGetCurrentClocksEventReasons(gpu))
"""
    assert asked(host, code).splitlines() == [f"[({os.getpid()}, {3 << 20})]", f"{7 << 20} 8"]


@pytest.mark.parametrize(("stamps", "clock"), [(1, "CLOCK_BOOTTIME"), (2, "CLOCK_REALTIME")])
def test_its_buffers_have_stamps_of_a_clock(host: Host, stamps: int, clock: str) -> None:
    host.says(f"* stamps {stamps}")
    code = f"""
import time
kind, samples = n.nvmlDeviceGetSamples(gpu, n.NVML_TOTAL_POWER_SAMPLES, 0)
age = time.clock_gettime_ns(time.{clock}) // 1000 - samples[-1].timeStamp
print(0 <= age < 10_000_000, len(samples), {{one.sampleValue.uiVal for one in samples}})
"""
    assert asked(host, code) == "True 100 {70000}"


def test_cuda_has_the_gpu_that_is_visible(host: Host) -> None:
    host.says("* count 2", "1 model L4")
    code = f"""
import ctypes
cuda, name = ctypes.CDLL({LIBRARIES[1]!r}), ctypes.create_string_buffer(80)
device = ctypes.c_int()
print(cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0), cuda.cuDeviceGetName(name, 80, device), name.value)
"""
    assert asked(host, code, CUDA_VISIBLE_DEVICES="GPU-emulated-1") == "0 0 0 b'Emulated L4'"
    host.says("* count 0")
    code = f"import ctypes\nprint(ctypes.CDLL({LIBRARIES[1]!r}).cuInit(0))"
    made = subprocess.run(
        [sys.executable, "-c", code], env=host.variables(), capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "100"
