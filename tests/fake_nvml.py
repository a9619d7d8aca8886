"""A stand-in for the calls to NVML that samestep makes: GPUs whose figures follow a script in time.

    gpu = FakeGpu(power_mw=[(0, 70_000), (2, 300_000)])    70 W until second 2, then 300 W
    nvml = FakeNvml(gpu)
    nvml.now = 2.5                                         it is second 2.5
    nvml.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_NOT_SUPPORTED)
    nvml.fail("*", pynvml.NVML_ERROR_GPU_IS_LOST, since=3)

Constants and errors are pynvml's own: code under test compares with the real ones.
"""

import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

Script = int | Sequence[tuple[float, int]]  # a constant, or (from this second, value)


@dataclass
class FakeGpu:
    """One GPU, or one MIG instance of `parent`."""

    uuid: str = "GPU-1111"
    used_bytes: Script = 4 << 20  # what a driver keeps with no program on it
    reserved_bytes: Script = 600 << 20
    power_mw: Script = 70_000
    energy_mj: Script = 1_000_000
    sm_clock_mhz: Script = 1980
    memory_clock_mhz: Script = 2619
    temperature_c: Script = 40
    events: Script = 0
    gpu_percent: Script = 0
    power_violation_ns: Script = 0
    thermal_violation_ns: Script = 0
    ecc_corrected: Script = 0
    ecc_uncorrected: Script = 0
    power_limit_mw: Script = 700_000
    programs: Callable[[float], dict[int, int | None]] = lambda now: {}
    drawing: Callable[[float], dict[int, int | None]] = lambda now: {}
    total_bytes: int = 80 << 30
    model: str = "NVIDIA H100"
    buffers: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # sampling type: (microseconds, value)
    xids: list[tuple[float, int]] = field(default_factory=list)  # (second, number)
    instances: Sequence["FakeGpu | None"] = field(default_factory=list)  # None: a place without an instance
    parent: "FakeGpu | None" = None

    def at(self, name: str, now: float) -> int:
        script: Script = getattr(self, name)
        if isinstance(script, int):
            return script
        return script[bisect.bisect_right([since for since, _ in script], now) - 1][1]


class FakeNvml:
    """The module pynvml, as far as samestep uses it."""

    def __init__(self, *gpus: FakeGpu, init_error: int | None = None, counts_reserved: bool = False) -> None:
        """`counts_reserved`: the second version of the memory call has what is reserved in what is used, as in 525."""
        self.gpus = gpus
        self._counts_reserved = counts_reserved
        self.now = 0.0
        self.boot_us = 0  # what the clock of the buffers' stamps shows at second 0
        self.opened = 0
        self.calls: Counter[str] = Counter()
        self.costs: dict[str, Callable[[], None]] = {}  # by function: what happens while it runs
        self._faults: list[tuple[str, int, float, float]] = []
        self._init_error = init_error
        for gpu in gpus:
            for instance in filter(None, gpu.instances):
                instance.parent = gpu

    def fail(self, function: str, code: int, since: float = 0.0, until: float = float("inf")) -> None:
        """Let a function ("*": all of a GPU) answer with an error."""
        self._faults.append((function, code, since, until))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvml") and name[4:5].isupper() and callable(getattr(pynvml, name, None)):
            raise AssertionError(f"the fake has no {name}")
        return getattr(pynvml, name)

    def _called(self, function: str) -> None:
        self.calls[function] += 1
        if function in self.costs:
            self.costs[function]()
        for name, code, since, until in self._faults:
            if since <= self.now < until and (name == function or (name == "*" and "Device" in function)):
                raise pynvml.NVMLError(code)

    def _get(self, function: str, gpu: FakeGpu, name: str) -> int:
        self._called(function)
        return gpu.at(name, self.now)

    def nvmlInit(self) -> None:  # noqa: N802 # here and below: pynvml's names
        if self._init_error is not None:
            raise pynvml.NVMLError(self._init_error)
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._called("nvmlDeviceGetCount")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
        self._called("nvmlDeviceGetHandleByIndex")
        if index >= len(self.gpus):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:  # noqa: N802
        self._called("nvmlDeviceGetHandleByUUID")
        for gpu in (*self.gpus, *(instance for whole in self.gpus for instance in whole.instances if instance)):
            if gpu.uuid == uuid:
                return gpu
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:  # noqa: N802
        self._called("nvmlDeviceGetName")
        return gpu.model

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> tuple[int, int]:  # noqa: N802
        return (9, 0)

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:  # noqa: N802
        self._called("nvmlDeviceGetMigMode")
        return [int(bool(gpu.instances))] * 2

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, index: int) -> FakeGpu:  # noqa: N802
        self._called("nvmlDeviceGetMigDeviceHandleByIndex")
        instance = gpu.instances[index]
        if instance is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return instance

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu) -> int:  # noqa: N802
        return len(gpu.instances)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, gpu: FakeGpu) -> FakeGpu:  # noqa: N802
        assert gpu.parent
        return gpu.parent

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:  # noqa: N802
        self._called("nvmlDeviceGetUUID")
        return gpu.uuid

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, version: int | None = None) -> SimpleNamespace:  # noqa: N802
        reserved = gpu.at("reserved_bytes", self.now)
        used = self._get("nvmlDeviceGetMemoryInfo", gpu, "used_bytes")
        free = gpu.total_bytes - used - reserved
        if version is None:  # the first version counts what the driver keeps as used
            return SimpleNamespace(total=gpu.total_bytes, used=used + reserved, free=free)
        assert version == pynvml.nvmlMemory_v2
        told = used + reserved if self._counts_reserved else used
        return SimpleNamespace(total=gpu.total_bytes, used=told, reserved=reserved, free=free)

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> SimpleNamespace:  # noqa: N802
        self._whole(gpu)
        return SimpleNamespace(gpu=self._get("nvmlDeviceGetUtilizationRates", gpu, "gpu_percent"), memory=0)

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:  # noqa: N802
        self._whole(gpu)
        return self._get("nvmlDeviceGetPowerUsage", gpu, "power_mw")

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:  # noqa: N802
        return self._get("nvmlDeviceGetEnforcedPowerLimit", gpu, "power_limit_mw")

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:  # noqa: N802
        self._whole(gpu)
        return self._get("nvmlDeviceGetTotalEnergyConsumption", gpu, "energy_mj")

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:  # noqa: N802
        self._whole(gpu)
        name = {pynvml.NVML_CLOCK_SM: "sm_clock_mhz", pynvml.NVML_CLOCK_MEM: "memory_clock_mhz"}[kind]
        return self._get("nvmlDeviceGetClockInfo", gpu, name)

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> int:  # noqa: N802
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return self._get("nvmlDeviceGetTemperature", gpu, "temperature_c")

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu: FakeGpu) -> int:  # noqa: N802
        return self._get("nvmlDeviceGetCurrentClocksEventReasons", gpu, "events")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, gpu: FakeGpu) -> int:  # noqa: N802
        return self._get("nvmlDeviceGetCurrentClocksThrottleReasons", gpu, "events")

    def nvmlDeviceGetViolationStatus(self, gpu: FakeGpu, policy: int) -> SimpleNamespace:  # noqa: N802
        names = {pynvml.NVML_PERF_POLICY_POWER: "power", pynvml.NVML_PERF_POLICY_THERMAL: "thermal"}
        time = self._get("nvmlDeviceGetViolationStatus", gpu, f"{names[policy]}_violation_ns")
        return SimpleNamespace(referenceTime=round(self.now * 1e6), violationTime=time)

    def nvmlDeviceGetTotalEccErrors(self, gpu: FakeGpu, kind: int, counter: int) -> int:  # noqa: N802
        assert counter == pynvml.NVML_VOLATILE_ECC
        name = "ecc_corrected" if kind == pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED else "ecc_uncorrected"
        return self._get("nvmlDeviceGetTotalEccErrors", gpu, name)

    def nvmlDeviceGetComputeRunningProcesses_v3(self, gpu: FakeGpu) -> list[SimpleNamespace]:  # noqa: N802
        self._called("nvmlDeviceGetComputeRunningProcesses_v3")
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in gpu.programs(self.now).items()]

    def nvmlDeviceGetGraphicsRunningProcesses_v3(self, gpu: FakeGpu) -> list[SimpleNamespace]:  # noqa: N802
        self._whole(gpu)
        self._called("nvmlDeviceGetGraphicsRunningProcesses_v3")
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in gpu.drawing(self.now).items()]

    def nvmlDeviceGetSamples(self, gpu: FakeGpu, kind: int, since: int) -> tuple[int, list[Any]]:  # noqa: N802
        self._called("nvmlDeviceGetSamples")
        if kind not in gpu.buffers:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        until = self.now * 1e6 + self.boot_us
        new = [(stamp, value) for stamp, value in gpu.buffers[kind] if since < stamp <= until]
        if not new:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        samples = [SimpleNamespace(timeStamp=stamp, sampleValue=SimpleNamespace(uiVal=value)) for stamp, value in new]
        return pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, samples

    def nvmlEventSetCreate(self) -> list[FakeGpu]:  # noqa: N802
        return []

    def nvmlDeviceRegisterEvents(self, gpu: FakeGpu, kinds: int, events: list[FakeGpu]) -> None:  # noqa: N802
        self._whole(gpu)
        self._called("nvmlDeviceRegisterEvents")
        assert kinds == pynvml.nvmlEventTypeXidCriticalError
        events.append(gpu)

    def nvmlEventSetWait_v2(self, events: list[FakeGpu], timeout_ms: int) -> SimpleNamespace:  # noqa: N802
        assert timeout_ms == 0, "the sampler does not wait"
        for gpu in events:
            if gpu.xids and gpu.xids[0][0] <= self.now:
                return SimpleNamespace(eventData=gpu.xids.pop(0)[1])
        raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)

    def nvmlEventSetFree(self, events: list[FakeGpu]) -> None:  # noqa: N802
        events.clear()

    def _whole(self, gpu: FakeGpu) -> None:
        """What a MIG instance has not of its own cannot be asked of it."""
        if gpu.parent:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
