"""Which GPU or MIG instance a replicate runs on; NVML held open for it during a run; other programs that use it.

NVML numbers GPUs by their PCI bus address. CUDA numbers the fastest first, unless CUDA_DEVICE_ORDER=PCI_BUS_ID. On a
host with GPUs of different kinds, name one by its UUID (`nvidia-smi -L`), which does not depend on any order.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import SetupError
from harness.format import memory_size
from harness.host import nvidia, pids
from harness.host.nvidia import NvidiaError

# With no program on it, a driver keeps some MiB of a GPU beside what it calls reserved, of a MIG instance some tens.
# A CUDA context with its libraries takes more than this.
UNEXPLAINED_BYTES: Final = 128 << 20
ALLOW: Final = "run with --allow-shared-gpu (docker compose: SAMESTEP_ALLOW_SHARED_GPU=1)"
UNSEEN: Final = "this process does not see those of the whole host (a container needs pid: host)"


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

    @property
    def name(self) -> str:
        """Its model, such as "NVIDIA H100 80GB HBM3"; empty: the driver does not say."""
        try:
            return str(self.nvml.nvmlDeviceGetName(self.handle))
        except self.nvml.NVMLError:
            return ""

    def programs(self) -> dict[int, int | None]:
        """Return the bytes that each process holds on it, by PID; None: the driver does not say.

        The PID is the host's or that of this process's namespace (`harness.host.pids`).

        Raises:
            NVMLError: of the library.
        """
        return nvidia.listed(self.nvml, self.handle)

    def memory(self) -> tuple[int, int]:
        """Return (used, reserved) bytes: what programs hold, and beside it what driver and firmware keep.

        NVML's own `used` has the reserved bytes in it or not, by the driver: the documentation of 525 says so, that of
        590 does not. What is neither free nor reserved is the same in both.

        Raises:
            NVMLError: of the library.
        """
        memory = self.nvml.nvmlDeviceGetMemoryInfo(self.handle, version=self.nvml.nvmlMemory_v2)
        return max(0, memory.total - memory.free - memory.reserved), memory.reserved

    def close(self) -> None:
        """Close NVML; also when the GPU is lost."""
        with contextlib.suppress(self.nvml.NVMLError):
            self.nvml.nvmlShutdown()


def wanted(variables: Mapping[str, str], *, in_container: bool) -> str:
    """Return the GPU that replicates run on, as it was named: an index, a UUID or "GPU:instance"; empty: none."""
    if in_container:
        return variables.get("SAMESTEP_GPU") or "0"
    return variables.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()


def count(variables: Mapping[str, str], *, in_container: bool, nvml: Any = None) -> int:
    """Return how many GPUs a replicate sees: those that were named, one in a container; else all, by NVML; 0: none."""
    if in_container or "CUDA_VISIBLE_DEVICES" in variables:
        named = variables.get("SAMESTEP_GPU") or "0" if in_container else variables["CUDA_VISIBLE_DEVICES"]
        return len([name for name in named.split(",") if name.strip()])
    try:
        return len(nvidia.look(nvml).gpus)
    except nvidia.NvidiaError:
        return 0


def open_gpu(name: str, nvml: Any = None) -> OpenGpu:
    """Return the GPU called `name`, with NVML open.

    Raises:
        NvidiaError: there is no NVML, its driver does not fit, or there is no such GPU.
    """
    if not name:
        raise NvidiaError("CUDA_VISIBLE_DEVICES is empty, which hides every GPU: unset it, or name one in it")
    nvml = nvml or nvidia.library()
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError, OSError) as error:
        raise NvidiaError(nvidia.explain(error, nvml)) from error
    try:
        count = nvml.nvmlDeviceGetCount()
        if count:
            handle, whole = _handles(nvml, name)
            return OpenGpu(nvml=nvml, uuid=nvml.nvmlDeviceGetUUID(handle), handle=handle, whole=whole)
    except nvml.NVMLError as error:
        nvml.nvmlShutdown()
        raise NvidiaError(f"there is no GPU {name!r}: {nvidia.explain(error, nvml)}") from error
    nvml.nvmlShutdown()
    raise NvidiaError(nvidia.NO_GPU)


def memory_bytes(name: str, nvml: Any = None) -> int:
    """Return all the memory of the GPU or MIG instance called `name`; raises NvidiaError."""
    gpu = open_gpu(name, nvml)
    try:
        return int(gpu.nvml.nvmlDeviceGetMemoryInfo(gpu.handle).total)
    except gpu.nvml.NVMLError as error:
        raise NvidiaError(nvidia.explain(error, gpu.nvml)) from error
    finally:
        gpu.close()


def model(name: str, nvml: Any = None) -> str:
    """Return the model of the GPU called `name`; raises NvidiaError."""
    gpu = open_gpu(name, nvml)
    try:
        return gpu.name
    finally:
        gpu.close()


def by_speed(variables: Mapping[str, str], *, in_container: bool) -> bool:
    """Return whether CUDA numbers the GPUs of replicates by their speed; a container has one GPU only."""
    return not in_container and variables.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"


def require_free(
    name: str,
    say: Callable[[str], None],
    *,
    shared: bool,
    by_speed: bool = False,
    nvml: Any = None,
    proc: str = pids.PROC,
) -> None:
    """Check that the GPU called `name` is there and that no other program uses it; say what cannot be checked.

    Args:
        name: as `wanted` returns it.
        say: gets a sentence.
        shared: other programs may use it.
        by_speed: CUDA numbers the GPUs by their speed, NVML never does.
        nvml: the library; None: the driver's.
        proc: where processes are listed.

    Raises:
        SetupError: there is no such GPU, or none that can be observed, or its number may be another one's for CUDA; or
            a program uses it, or its memory is used although no program is listed, and sharing was not allowed.
    """
    try:
        gpu = open_gpu(name, nvml)
    except NvidiaError as error:
        if shared and nvidia.has_cuda():
            return  # the run itself says so when it begins
        raise SetupError(f"--device cuda needs an NVIDIA GPU: {error}; or run with --device cpu.") from error
    try:
        if by_speed and name.partition(":")[0].isdecimal() and len(kinds := _kinds(gpu.nvml)) > 1:
            raise SetupError(
                f"This host has GPUs of several kinds ({', '.join(kinds)}), and CUDA's number {name} may not be NVML's:"
                " set CUDA_DEVICE_ORDER=PCI_BUS_ID, or put the GPU's UUID (nvidia-smi -L) into CUDA_VISIBLE_DEVICES."
            )
        users = list(_users(gpu, say, pids.sees_host(proc)))
    finally:
        gpu.close()
    if not users:
        return
    if not shared:
        raise SetupError(
            f"GPU {gpu.uuid} is used by {', '.join(users)}, which disturbs every figure: end them, name another GPU, "
            f"or {ALLOW}."
        )
    say(f"GPU {gpu.uuid} is used by {', '.join(users)} as well: its figures are marked")


def unexplained(used_bytes: int | None, programs: Iterable[int | None]) -> int:
    """Return the used bytes of a GPU that none of the listed programs holds, 0 where they are few or not known."""
    held = list(programs)
    if used_bytes is None or None in held:
        return 0
    rest = used_bytes - sum(size for size in held if size is not None)
    return rest if rest > UNEXPLAINED_BYTES else 0


def unlisted(size: int) -> str:
    """Return the words for programs that are not listed and hold `size` bytes."""
    return f"programs that NVML does not list here ({memory_size(size)} of its memory)"


def _kinds(nvml: Any) -> list[str]:
    """Return the models of this host's GPUs, each once."""
    models: dict[str, None] = {}
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):  # a lost one
            models[str(nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(index)))] = None
    return list(models)


def _users(gpu: OpenGpu, say: Callable[[str], None], sees_host: bool) -> Iterator[str]:
    """Yield the programs that use a GPU before a run; say why that is not known."""
    nvml, programs = gpu.nvml, {}
    try:
        programs = gpu.programs()
    except nvml.NVMLError as error:
        say(f"Whether other programs use GPU {gpu.uuid} is not known: {nvidia.explain(error, nvml)}.")
    else:
        if not sees_host:
            say(f"Other programs on GPU {gpu.uuid} may be hidden: {UNSEEN}. Their memory is looked at.")
    yield from map(nvidia.program, programs)
    with contextlib.suppress(nvml.NVMLError):
        if not programs and (rest := unexplained(gpu.memory()[0], ())):
            yield unlisted(rest)


def _handles(nvml: Any, name: str) -> tuple[object, object]:
    """Return the handle of the GPU or instance called `name`, and that of its whole GPU; raises NVMLError."""
    if name.startswith("MIG-"):
        instance = nvml.nvmlDeviceGetHandleByUUID(name)
        return instance, nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
    number, _, instance = name.partition(":")
    whole = _by_index(nvml, int(number)) if number.isdecimal() else _by_uuid(nvml, number)
    if not _is_split(nvml, whole):
        return whole, whole
    # Like CUDA: the first instance, unless another one is named.
    if instance and not instance.isdecimal():
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)
    return _instance(nvml, whole, int(instance or 0)), whole


def _by_index(nvml: Any, index: int) -> object:
    """Return the handle of the GPU of an index, which the library would take modulo 2^32; raises NVMLError."""
    if index >= nvml.nvmlDeviceGetCount():
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)
    handle: object = nvml.nvmlDeviceGetHandleByIndex(index)
    return handle


def _instance(nvml: Any, whole: object, number: int) -> object:
    """Return the instance of that number among those that exist: their places may have gaps; raises NVMLError."""
    for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(whole)):
        try:
            instance: object = nvml.nvmlDeviceGetMigDeviceHandleByIndex(whole, place)
        except nvml.NVMLError as error:
            if error.value not in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT):
                raise
            continue
        if number == 0:
            return instance
        number -= 1
    raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)


def _by_uuid(nvml: Any, uuid: str) -> object:
    """Return the handle of the GPU whose UUID begins with `uuid`, as in CUDA_VISIBLE_DEVICES; raises NVMLError."""
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):  # another one may be lost
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            if nvml.nvmlDeviceGetUUID(handle).startswith(uuid):
                return handle
    raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)


def _is_split(nvml: Any, handle: object) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError:
        return False  # a GPU without MIG
