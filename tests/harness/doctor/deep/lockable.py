"""The scripted NVML with what only the deep check calls: the compute capability, and locking the clocks."""

from typing import Any

import pynvml

from harness.host.gpus import OpenGpu, open_gpu
from tests.fake_nvml import FakeGpu, FakeNvml

LOCKED = pynvml.nvmlClocksEventReasonApplicationsClocksSetting


class LockableNvml(FakeNvml):
    """Says "applications clocks setting" while the clocks are locked; `may_lock`: whether this user may lock them."""

    def __init__(self, *gpus: FakeGpu, may_lock: bool = True, says_so: bool = True) -> None:
        super().__init__(*gpus)
        self.may_lock = may_lock
        self.says_so = says_so
        self.locks: list[int] = []  # MHz; 0: unlocked

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> tuple[int, int]:  # noqa: N802
        self._called("nvmlDeviceGetCudaComputeCapability")
        return 9, 0

    def nvmlDeviceGetMaxClockInfo(self, gpu: FakeGpu, kind: int) -> int:  # noqa: N802
        assert kind == pynvml.NVML_CLOCK_SM
        return 2000

    def nvmlDeviceSetGpuLockedClocks(self, gpu: FakeGpu, least: int, most: int) -> None:  # noqa: N802
        if not self.may_lock:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        assert least == most
        self.locks.append(most)
        gpu.events = LOCKED if self.says_so else 0

    def nvmlDeviceResetGpuLockedClocks(self, gpu: FakeGpu) -> None:  # noqa: N802
        self.locks.append(0)
        gpu.events = 0


def opened(nvml: Any = None, **script: Any) -> OpenGpu:
    """Return a scripted GPU with NVML open."""
    return open_gpu("0", nvml or LockableNvml(FakeGpu(**script)))
