"""What NVML says of one GPU, and what asking costs: each call that the samplers make, timed; memory, clocks, energy.

Nothing here changes the GPU, except `locked`, which a person asks for.
"""

import contextlib
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from harness.host.gpus import OpenGpu
from harness.samplers import calls
from harness.samplers.nvml import Device

TIMES: Final = 20  # that each call is made
PREFIX: Final = "NVMLError_"  # of pynvml's class for each of NVML's errors
SAME_CLOCK_US: Final = 10_000_000  # a stamp this near to a clock is of that clock
LOCKED_SHARE: Final = 0.7  # of the highest clock
SETTLED: Final = 1.1  # of the power at rest
SETTLE_S: Final = 6.0  # after which the board has not come to rest
SETTLE_EVERY_S: Final = 0.05
BY_DESIGN: Final = {  # answers that are no error: nothing new in a buffer, no Xid
    "nvmlDeviceGetSamples": "NotFound",
    "nvmlEventSetWait_v2": "Timeout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """One function of NVML."""

    function: str
    times: int  # that it was called
    median_ns: int
    longest_ns: int
    error: str  # name of NVML's error, such as "NotSupported"; empty: it answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """One of the driver's buffers of samples."""

    metric: str
    samples: int
    apart_ms: float | None  # median time between two; None: fewer than two
    clock: str  # of its stamps: "Unix time", "time since boot"; empty: neither, or no sample
    error: str = ""  # name of NVML's error; empty: it answered


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRest:
    """One GPU before the first cell."""

    compute_capability: str  # such as "9.0"; empty: not known
    costs: tuple[CallCost, ...]
    buffers: tuple[Buffer, ...]
    used_1_bytes: int | None  # by version 1 of the call
    used_2_bytes: int | None  # by version 2
    reserved_bytes: int | None  # by version 2
    power_mw: int | None
    sm_clock_mhz: int | None
    clock_events: tuple[str, ...]  # reasons for clocks below the highest

    @property
    def used_includes_reserved(self) -> bool | None:
        """Whether version 2's `used` has `reserved` in it, too; None: that cannot be told."""
        if self.used_1_bytes is None or self.used_2_bytes is None or not self.reserved_bytes:
            return None
        return abs(self.used_1_bytes - self.used_2_bytes) < self.reserved_bytes // 2


class Timed:
    """The module pynvml, with the time of each call to it."""

    def __init__(self, nvml: Any, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._nvml = nvml
        self._clock = clock
        self._ns: dict[str, list[int]] = defaultdict(list)
        self._errors: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._nvml, name)
        is_call = name.startswith("nvml") and name[4:5].isupper() and callable(found) and not isinstance(found, type)
        return partial(self._call, name, found) if is_call else found

    def costs(self) -> tuple[CallCost, ...]:
        """Return what each function took, the slowest first."""
        found = [
            CallCost(
                function=name,
                times=len(taken),
                median_ns=round(statistics.median(taken)),
                longest_ns=max(taken),
                error=self._errors.get(name, ""),
            )
            for name, taken in self._ns.items()
        ]
        return tuple(sorted(found, key=lambda cost: -cost.median_ns))

    def _call(self, name: str, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        begin = self._clock()
        try:
            return function(*given, **named)
        except self._nvml.NVMLError as error:
            if error_name(error) != BY_DESIGN.get(name):
                self._errors[name] = error_name(error)
            raise
        finally:
            self._ns[name].append(self._clock() - begin)


def error_name(error: Exception) -> str:
    """Return the name of NVML's error as pynvml calls it, such as "NoPermission"."""
    return type(error).__name__.removeprefix(PREFIX)


def at_rest(gpu: OpenGpu, times: int = TIMES) -> AtRest:
    """Return what NVML says of a GPU that does nothing, and what each call of the samplers costs."""
    nvml = gpu.nvml
    whole = _answer(gpu, lambda: nvml.nvmlDeviceGetMemoryInfo(gpu.handle))
    apart = _answer(gpu, lambda: nvml.nvmlDeviceGetMemoryInfo(gpu.handle, version=nvml.nvmlMemory_v2))
    return AtRest(
        compute_capability=_compute_capability(gpu),
        costs=costs(gpu, times),
        buffers=tuple(buffer(gpu, call) for call in calls.OFTEN if call.buffer),
        used_1_bytes=None if whole is None else int(whole.used),
        used_2_bytes=None if apart is None else int(apart.used),
        reserved_bytes=None if apart is None else int(apart.reserved),
        power_mw=figure(gpu, calls.power),
        sm_clock_mhz=figure(gpu, calls.sm_clock),
        clock_events=events(gpu),
    )


def costs(gpu: OpenGpu, times: int = TIMES) -> tuple[CallCost, ...]:
    """Return the cost of each function of NVML that the samplers call, called by their own code.

    One that answers with an error is not called again.
    """
    timed = Timed(gpu.nvml)
    observed = replace(gpu, nvml=timed)
    kinds = (*calls.OFTEN, *calls.COUNTERS, *calls.ONCE)
    questions: list[Callable[[], object]] = [partial(call.ask, observed) for call in kinds]
    questions += [observed.programs, *(_draining(observed, call) for call in kinds if call.buffer)]
    for question in questions:
        with contextlib.suppress(gpu.nvml.NVMLError):
            for _ in range(times):
                question()
    timed.nvmlInit()  # `Device.close` takes back one
    device = Device(observed, lambda line: None)
    for _ in range(times):
        device.xids()
    device.close()
    return tuple(cost for cost in timed.costs() if cost.function not in ("nvmlInit", "nvmlShutdown"))


def figure(gpu: OpenGpu, ask: Callable[[OpenGpu], calls.Figures]) -> int | None:
    """Return the first figure of a call of the samplers; None: NVML does not say."""
    found = _answer(gpu, lambda: ask(gpu))
    return None if found is None else next(iter(found.values()))


def events(gpu: OpenGpu) -> tuple[str, ...]:
    """Return the reasons for clocks below the highest, now."""
    return tuple(calls.event_names(gpu, figure(gpu, calls.clock_events) or 0))


def buffer(gpu: OpenGpu, call: calls.Call) -> Buffer:
    """Return what is in the driver's buffer of a call's figure, and by which clock."""
    try:
        _, samples = gpu.nvml.nvmlDeviceGetSamples(gpu.whole, getattr(gpu.nvml, call.buffer), 0)
    except gpu.nvml.NVMLError as error:
        return Buffer(metric=call.metric, samples=0, apart_ms=None, clock="", error=error_name(error))
    stamps = sorted(int(sample.timeStamp) for sample in samples)  # microseconds
    apart = [(after - before) / 1000 for before, after in itertools.pairwise(stamps)]
    boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    return Buffer(
        metric=call.metric,
        samples=len(stamps),
        apart_ms=statistics.median(apart) if apart else None,
        clock=clock_of(stamps[-1], unix_us=time.time_ns() // 1000, boot_us=boot_us) if stamps else "",
    )


def clock_of(stamp_us: int, *, unix_us: int, boot_us: int) -> str:
    """Return the clock by which a stamp is of this moment; empty: none of the two."""
    if abs(stamp_us - unix_us) <= SAME_CLOCK_US:
        return "Unix time"
    return "time since boot" if abs(stamp_us - boot_us) <= SAME_CLOCK_US else ""


def tick(counter: Sequence[tuple[int, int]]) -> tuple[int, float] | None:
    """Return the smallest step of a counter, and the median of the milliseconds between two steps; None: too few.

    Args:
        counter: (time in ns, value), in the order of time.
    """
    steps = [(t_ns, value - before) for (_, before), (t_ns, value) in itertools.pairwise(counter) if value > before]
    if len(steps) < 2:
        return None
    apart = [(after - before) / 1e6 for (before, _), (after, _) in itertools.pairwise(steps)]
    return min(size for _, size in steps), statistics.median(apart)


def settling_s(
    gpu: OpenGpu, rest_mw: int | None, sleep: Callable[[float], None] = time.sleep, most_s: float = SETTLE_S
) -> float | None:
    """Return the seconds until the power is near that at rest again; None: it is not, or NVML does not say."""
    waited = 0.0
    while rest_mw is not None and waited <= most_s:
        power = figure(gpu, calls.power)
        if power is None:
            return None
        if power <= SETTLED * rest_mw:
            return waited
        sleep(SETTLE_EVERY_S)
        waited += SETTLE_EVERY_S
    return None


@contextlib.contextmanager
def locked(gpu: OpenGpu) -> Iterator[int]:
    """Lock the GPU's clocks while the context lasts; yield them in MHz. Afterwards they are unlocked.

    Raises:
        NVMLError: this user may not, or the GPU cannot.
    """
    nvml = gpu.nvml
    highest = nvml.nvmlDeviceGetMaxClockInfo(gpu.whole, nvml.NVML_CLOCK_SM)
    mhz = int(LOCKED_SHARE * highest)
    nvml.nvmlDeviceSetGpuLockedClocks(gpu.whole, mhz, mhz)
    try:
        yield mhz
    finally:
        nvml.nvmlDeviceResetGpuLockedClocks(gpu.whole)


def _draining(gpu: OpenGpu, call: calls.Call) -> Callable[[], None]:
    """Return what asks for the new samples of a buffer, as the sampler does once a second; it raises NVMLError."""
    newest = 0

    def ask() -> None:
        nonlocal newest
        try:
            _, samples = gpu.nvml.nvmlDeviceGetSamples(gpu.whole, getattr(gpu.nvml, call.buffer), newest)
        except gpu.nvml.NVMLError as error:
            if error.value != gpu.nvml.NVML_ERROR_NOT_FOUND:  # nothing new
                raise
        else:
            newest = max([newest, *(int(sample.timeStamp) for sample in samples)])

    return ask


def _compute_capability(gpu: OpenGpu) -> str:
    found = _answer(gpu, lambda: gpu.nvml.nvmlDeviceGetCudaComputeCapability(gpu.whole))
    return ".".join(map(str, found)) if found else ""


def _answer(gpu: OpenGpu, question: Callable[[], Any]) -> Any:
    """Return what `question` returns; None where NVML refuses."""
    try:
        return question()
    except gpu.nvml.NVMLError:
        return None
