"""NVIDIA's management library (NVML), the part that is needed: the driver, the GPUs, and the programs on them."""

import contextlib
import ctypes
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psutil

from bench.turns.variables import DRIVER

MOST_BYTES: Final = 1 << 62  # no process holds so much: it is NVML's "not available", all bits set

# What is to be done, by the name of NVML's error.
REMEDIES: Final[Mapping[str, str]] = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": "install the NVIDIA driver; a container needs --gpus, and of the driver's"
    " capabilities compute and utility",
    "NVML_ERROR_DRIVER_NOT_LOADED": "load the driver's kernel module: sudo modprobe nvidia",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": "the driver was updated while it ran: restart the host, and containers that"
    " were started before",
    "NVML_ERROR_NO_PERMISSION": "give this user the devices /dev/nvidia*; a container needs --gpus",
    "NVML_ERROR_FUNCTION_NOT_FOUND": "the driver is too old: install 580 or newer",
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH": "the driver is too old: install 580 or newer",
    "NVML_ERROR_NOT_FOUND": "nvidia-smi -L lists the GPUs",
    "NVML_ERROR_GPU_NOT_FOUND": "nvidia-smi -L lists the GPUs",
    "NVML_ERROR_INVALID_ARGUMENT": "nvidia-smi -L lists the GPUs",
    "NVML_ERROR_INSUFFICIENT_POWER": "the GPU's power cables are not all attached",
    "NVML_ERROR_GPU_IS_LOST": "it fell off the bus: dmesg says why, restart the host",
    "NVML_ERROR_RESET_REQUIRED": "sudo nvidia-smi --gpu-reset, or restart the host",
    "NVML_ERROR_IRQ_ISSUE": "dmesg says why the driver gets no interrupts",
    "NVML_ERROR_CORRUPTED_INFOROM": "nvidia-smi -q says more",
    "NVML_ERROR_IN_USE": "another program has the GPU for itself",
    "NVML_ERROR_OPERATING_SYSTEM": "the system or its container does not allow it: dmesg says why",
    "NVML_ERROR_UNKNOWN": "dmesg says why",
}
NO_GPU: Final = "the NVIDIA driver has no GPU (nvidia-smi -L lists them; a container needs --gpus)"


class NvidiaError(Exception):
    """NVML does not answer; one sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU."""

    uuid: str
    name: str
    memory_bytes: int
    users: tuple[str, ...]  # programs with a context on it, such as "python (4711)"
    capability: tuple[int, int] = (0, 0)  # CUDA's compute capability; (0, 0): the driver does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvidia:
    """What NVML says of this host."""

    driver: str  # such as "580.95.05"
    gpus: tuple[Gpu, ...]


def look(nvml: Any = None) -> Nvidia:
    """Return the driver and the GPUs of this host; a GPU that is lost is not among them, unless all are.

    Raises:
        NvidiaError: there is no NVIDIA driver, or it does not work.
    """
    nvml = nvml or library()
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError, OSError) as error:
        raise NvidiaError(explain(error, nvml)) from error
    try:
        driver, count = nvml.nvmlSystemGetDriverVersion(), nvml.nvmlDeviceGetCount()
        gpus, last = [], None
        for index in range(count):
            try:
                gpus.append(_gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(index)))
            except nvml.NVMLError as error:
                last = error
        if last is not None and not gpus:
            raise last
        return Nvidia(driver=driver, gpus=tuple(gpus))
    except nvml.NVMLError as error:
        raise NvidiaError(explain(error, nvml)) from error
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def explain(error: Exception, nvml: Any) -> str:
    """Return what NVML's `error` means, with the remedy where there is a known one."""
    value = getattr(error, "value", None)
    remedy = next((remedy for name, remedy in REMEDIES.items() if value == getattr(nvml, name)), "")
    return f"{error} ({remedy})" if remedy else str(error)


def library() -> Any:
    """Return the module pynvml, which loads the driver's library when it is initialised; raises NvidiaError."""
    try:
        import pynvml
    except ImportError as error:
        raise NvidiaError("nvidia-ml-py is not installed") from error
    return pynvml


def has_cuda() -> bool:
    """Return whether the driver's CUDA library is here, without which no framework can use a GPU."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def listed(nvml: Any, handle: object) -> dict[int, int | None]:
    """Return the bytes that each program with a context holds on a GPU, by PID; None: the driver does not say.

    Those that only draw, such as the display's, take the GPU's time as well.

    Raises:
        NVMLError: of the library.
    """
    # With the version in its name: without it, an old driver makes it raise something other than an NVMLError.
    compute = _by_pid(nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle))
    try:
        graphics = _by_pid(nvml.nvmlDeviceGetGraphicsRunningProcesses_v3(handle))
    except nvml.NVMLError:  # a MIG instance does not draw
        graphics = {}
    return {**graphics, **compute}  # one that does both has the same bytes in both


def _by_pid(processes: Iterable[Any]) -> dict[int, int | None]:
    """Return the bytes by PID; a process is listed once for each MIG instance, and a context holds some bytes."""
    held: dict[int, int | None] = {}
    for process in processes:
        size = process.usedGpuMemory
        known = size is not None and 0 < size < MOST_BYTES
        before = held.get(process.pid, 0)
        held[process.pid] = before + size if known and before is not None else None
    return held


def program(pid: int) -> str:
    """Return a process as its name and PID, such as "python (4711)"."""
    if pid == 0:
        return "a process of another PID namespace"
    try:
        return f"{psutil.Process(pid).name()} ({pid})"
    except psutil.Error:
        return f"process {pid}"


def _gpu(nvml: Any, handle: object) -> Gpu:
    return Gpu(
        uuid=nvml.nvmlDeviceGetUUID(handle),
        name=nvml.nvmlDeviceGetName(handle),
        memory_bytes=nvml.nvmlDeviceGetMemoryInfo(handle).total,
        users=tuple(_users(nvml, handle)),
        capability=_capability(nvml, handle),
    )


def _users(nvml: Any, handle: object) -> Iterator[str]:
    with contextlib.suppress(nvml.NVMLError):  # virtual GPUs list none, and of a divided GPU it takes rights
        yield from map(program, listed(nvml, handle))


def _capability(nvml: Any, handle: object) -> tuple[int, int]:
    try:
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    except nvml.NVMLError:
        return (0, 0)
    return (major, minor)
