"""Which GPU or MIG instance a replicate runs on; NVML held open for it during a run; other programs that use it.

NVML numbers GPUs by their PCI bus address. CUDA numbers the fastest first, unless CUDA_DEVICE_ORDER=PCI_BUS_ID. On a
host with GPUs of different kinds, name one by its UUID (`nvidia-smi -L`), which does not depend on any order.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import SetupError
from harness.host import nvidia
from harness.host.nvidia import NvidiaError


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGpu:
    """One GPU, or one MIG instance of it, with NVML open."""

    nvml: Any  # the library, initialised
    uuid: str  # of the instance, if it is one
    handle: object  # for memory and programs
    whole: object  # the handle of the whole GPU, for clocks, power, temperature and errors

    @property
    def is_instance(self) -> bool:
        """Whether this is a MIG instance, which shares power and clocks with others."""
        return self.handle is not self.whole

    def programs(self) -> dict[int, int | None]:
        """Return the bytes that each process holds on it, by the host's PID; None: the driver does not say.

        Raises:
            NVMLError: of the library.
        """
        # With the version in its name: without it, an old driver makes it raise something other than an NVMLError.
        listed = self.nvml.nvmlDeviceGetComputeRunningProcesses_v3(self.handle)
        return {process.pid: process.usedGpuMemory for process in listed}

    def close(self) -> None:
        """Close NVML; also when the GPU is lost."""
        with contextlib.suppress(self.nvml.NVMLError):
            self.nvml.nvmlShutdown()


def wanted(variables: Mapping[str, str], *, in_container: bool) -> str:
    """Return the GPU that replicates run on, as it was named: an index, a UUID or "GPU:instance"."""
    if in_container:
        return variables.get("SAMESTEP_GPU") or "0"
    return variables.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


def open_gpu(name: str, nvml: Any = None) -> OpenGpu:
    """Return the GPU called `name`, with NVML open.

    Raises:
        NvidiaError: there is no NVML, its driver does not fit, or there is no such GPU.
    """
    nvml = nvml or nvidia.library()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise NvidiaError(nvidia.explain(error, nvml)) from error
    try:
        handle, whole = _handles(nvml, name)
        return OpenGpu(nvml=nvml, uuid=nvml.nvmlDeviceGetUUID(handle), handle=handle, whole=whole)
    except nvml.NVMLError as error:
        nvml.nvmlShutdown()
        raise NvidiaError(f"there is no GPU {name!r}: {nvidia.explain(error, nvml)}") from error


def require_free(name: str, say: Callable[[str], None], *, shared: bool, nvml: Any = None) -> None:
    """Check that no other program uses the GPU called `name`; where NVML does not answer, nothing is checked.

    Raises:
        SetupError: a program uses it, and sharing was not allowed.
    """
    try:
        gpu = open_gpu(name, nvml)
    except NvidiaError:
        return  # the run itself says so when it begins
    try:
        users = [nvidia.program(pid) for pid in gpu.programs()]
    except gpu.nvml.NVMLError:
        users = []
    finally:
        gpu.close()
    if not users:
        return
    if not shared:
        raise SetupError(
            f"GPU {gpu.uuid} is used by {', '.join(users)}, which disturbs every figure: end them, name another GPU, "
            "or run with --allow-shared-gpu."
        )
    say(f"GPU {gpu.uuid} is used by {', '.join(users)} as well: its figures are marked")


def _handles(nvml: Any, name: str) -> tuple[object, object]:
    """Return the handle of the GPU or instance called `name`, and that of its whole GPU; raises NVMLError."""
    if name.startswith("MIG-"):
        instance = nvml.nvmlDeviceGetHandleByUUID(name)
        return instance, nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
    number, _, instance_number = name.partition(":")
    whole = nvml.nvmlDeviceGetHandleByIndex(int(number)) if number.isdigit() else _by_uuid(nvml, number)
    if not _is_split(nvml, whole):
        return whole, whole
    # Like CUDA: the first instance, unless another one is named.
    return nvml.nvmlDeviceGetMigDeviceHandleByIndex(whole, int(instance_number or 0)), whole


def _by_uuid(nvml: Any, uuid: str) -> object:
    """Return the handle of the GPU whose UUID begins with `uuid`, as in CUDA_VISIBLE_DEVICES; raises NVMLError."""
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        if nvml.nvmlDeviceGetUUID(handle).startswith(uuid):
            return handle
    raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)


def _is_split(nvml: Any, handle: object) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError:
        return False  # a GPU without MIG
