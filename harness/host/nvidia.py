"""NVIDIA's management library (NVML), the part that is needed: the driver, the GPUs, and the programs on them."""

from dataclasses import dataclass
from typing import Any

import psutil


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
    """Return the driver and the GPUs of this host.

    Raises:
        NvidiaError: there is no NVIDIA driver, or it does not work.
    """
    nvml = nvml or library()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise NvidiaError(explain(error, nvml)) from error
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return Nvidia(driver=nvml.nvmlSystemGetDriverVersion(), gpus=tuple(_gpu(nvml, handle) for handle in handles))
    except nvml.NVMLError as error:
        raise NvidiaError(explain(error, nvml)) from error
    finally:
        nvml.nvmlShutdown()


def explain(error: Exception, nvml: Any) -> str:
    """Return what NVML's `error` means, with the remedy where there is a known one."""
    remedies = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: "install the NVIDIA driver",
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the driver's kernel module: sudo modprobe nvidia",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver was updated while it ran: restart the host",
        nvml.NVML_ERROR_NO_PERMISSION: "give this user the devices /dev/nvidia*",
    }
    remedy = remedies.get(getattr(error, "value", None))
    return f"{error} ({remedy})" if remedy else str(error)


def library() -> Any:
    """Return the module pynvml, which loads the driver's library when it is initialised; raises NvidiaError."""
    try:
        import pynvml
    except ImportError as error:
        raise NvidiaError("nvidia-ml-py is not installed") from error
    return pynvml


def program(pid: int) -> str:
    """Return a process as its name and PID, such as "python (4711)"."""
    try:
        return f"{psutil.Process(pid).name()} ({pid})"
    except psutil.Error:
        return f"process {pid}"


def _gpu(nvml: Any, handle: object) -> Gpu:
    return Gpu(
        uuid=nvml.nvmlDeviceGetUUID(handle),
        name=nvml.nvmlDeviceGetName(handle),
        memory_bytes=nvml.nvmlDeviceGetMemoryInfo(handle).total,
        users=tuple(program(process.pid) for process in nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)),
        capability=_capability(nvml, handle),
    )


def _capability(nvml: Any, handle: object) -> tuple[int, int]:
    try:
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    except nvml.NVMLError:
        return (0, 0)
    return (major, minor)
