"""The calls to NVML that the sampler makes, each a few lines, and what each gives under which name and in which unit.

A call takes the watched GPU and returns its figures by name. What a GPU, a driver or a user's rights do not offer
raises NVMLError; who asks deals with that (`harness.samplers.nvml`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.host.gpus import Gpu

Figures = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call."""

    kind: str  # as latencies and reasons name it
    ask: Callable[[Gpu], Figures]
    fields: tuple[str, ...]  # of Observation that are empty without it
    buffer: str = ""  # the driver's buffer (nvmlSamplingType_t) that has the same figure at a higher rate
    metric: str = ""  # the name of that figure


def memory(gpu: Gpu) -> Figures:
    """Return used and reserved bytes: version 2 of the call counts them apart, version 1 adds the two up."""
    found = gpu.nvml.nvmlDeviceGetMemoryInfo(gpu.handle, version=gpu.nvml.nvmlMemory_v2)
    return {"device_used_bytes": found.used, "device_reserved_bytes": found.reserved}


def utilisation(gpu: Gpu) -> Figures:
    """Return the share of the last sampling period in which a kernel ran, and in which memory was accessed."""
    found = gpu.nvml.nvmlDeviceGetUtilizationRates(gpu.whole)
    return {"gpu_percent": found.gpu, "memory_percent": found.memory}


def power(gpu: Gpu) -> Figures:
    """Return the power of the whole board."""
    return {"power_mw": gpu.nvml.nvmlDeviceGetPowerUsage(gpu.whole)}


def energy(gpu: Gpu) -> Figures:
    """Return the energy of the whole board since the driver was loaded."""
    return {"energy_mj": gpu.nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.whole)}


def sm_clock(gpu: Gpu) -> Figures:
    """Return the clock of the multiprocessors."""
    return {"sm_clock_mhz": gpu.nvml.nvmlDeviceGetClockInfo(gpu.whole, gpu.nvml.NVML_CLOCK_SM)}


def memory_clock(gpu: Gpu) -> Figures:
    """Return the clock of the device memory."""
    return {"memory_clock_mhz": gpu.nvml.nvmlDeviceGetClockInfo(gpu.whole, gpu.nvml.NVML_CLOCK_MEM)}


def temperature(gpu: Gpu) -> Figures:
    """Return the temperature of the GPU."""
    return {"temperature_c": gpu.nvml.nvmlDeviceGetTemperature(gpu.whole, gpu.nvml.NVML_TEMPERATURE_GPU)}


def clock_events(gpu: Gpu) -> Figures:
    """Return the reasons for clocks below the highest as a bit mask; drivers before 535 have the older name only."""
    nvml = gpu.nvml
    try:
        return {"clock_events": nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu.whole)}
    except nvml.NVMLError as error:
        if error.value != nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return {"clock_events": nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu.whole)}


def violations(gpu: Gpu) -> Figures:
    """Return how long the GPU has been held below its clocks, for power and for heat."""
    ask = gpu.nvml.nvmlDeviceGetViolationStatus
    return {
        "power_violation_ns": ask(gpu.whole, gpu.nvml.NVML_PERF_POLICY_POWER).violationTime,
        "thermal_violation_ns": ask(gpu.whole, gpu.nvml.NVML_PERF_POLICY_THERMAL).violationTime,
    }


def ecc(gpu: Gpu) -> Figures:
    """Return the memory errors since the driver was loaded, those corrected and those that could not be."""
    nvml, ask = gpu.nvml, gpu.nvml.nvmlDeviceGetTotalEccErrors
    return {
        "ecc_corrected": ask(gpu.whole, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_VOLATILE_ECC),
        "ecc_uncorrected": ask(gpu.whole, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC),
    }


def power_limit(gpu: Gpu) -> Figures:
    """Return the power that the driver lets the board draw."""
    return {"power_limit_mw": gpu.nvml.nvmlDeviceGetEnforcedPowerLimit(gpu.whole)}


MEMORY: Final = Call(
    "gpu memory",
    memory,
    ("device_before_bytes", "device_peak_bytes", "device_after_bytes", "device_reserved_bytes"),
)
ENERGY: Final = Call("gpu energy", energy, ("energy_mj", "energy_window_mj", "energy_idle_mj"))
OFTEN: Final = (  # at every look
    MEMORY,
    ENERGY,
    Call("gpu power", power, ("power_median_mw", "power_most_mw"), "NVML_TOTAL_POWER_SAMPLES", "power_mw"),
    Call(
        "gpu sm clock",
        sm_clock,
        ("sm_clock_median_mhz", "sm_clock_least_mhz"),
        "NVML_PROCESSOR_CLK_SAMPLES",
        "sm_clock_mhz",
    ),
    Call(
        "gpu memory clock",
        memory_clock,
        ("memory_clock_median_mhz",),
        "NVML_MEMORY_CLK_SAMPLES",
        "memory_clock_mhz",
    ),
    Call("gpu temperature", temperature, ("temperature_most_c",)),
    Call("gpu clock events", clock_events, ("clock_events",)),
    Call("gpu utilisation", utilisation, ()),
)
COUNTERS: Final = (  # before and after the replicate: they only grow
    Call("gpu violations", violations, ("power_violation_ns", "thermal_violation_ns")),
    Call("gpu ecc", ecc, ("ecc_corrected", "ecc_uncorrected")),
)
ONCE: Final = (Call("gpu power limit", power_limit, ("power_limit_mw",)),)
PROGRAMS: Final = Call("gpu processes", lambda gpu: {}, ("foreign", "device_process_peak_bytes"))

EVENTS: Final = (  # reasons for clocks below the highest, by the name of their bit in the library
    ("nvmlClocksEventReasonGpuIdle", "gpu idle"),
    ("nvmlClocksEventReasonApplicationsClocksSetting", "applications clocks setting"),
    ("nvmlClocksEventReasonSwPowerCap", "sw power cap"),
    ("nvmlClocksEventReasonHwSlowdown", "hw slowdown"),
    ("nvmlClocksEventReasonSyncBoost", "sync boost"),
    ("nvmlClocksEventReasonSwThermalSlowdown", "sw thermal slowdown"),
    ("nvmlClocksEventReasonHwThermalSlowdown", "hw thermal slowdown"),
    ("nvmlClocksEventReasonHwPowerBrakeSlowdown", "hw power brake slowdown"),
    ("nvmlClocksEventReasonDisplayClockSetting", "display clock setting"),
)


def event_names(gpu: Gpu, mask: int) -> list[str]:
    """Return what the bits of `clock_events` mean."""
    return [name for constant, name in EVENTS if mask & getattr(gpu.nvml, constant)]
