"""The calls to NVML that the sampler makes, with the name and the unit of each figure.

A call takes the observed GPU and returns its figures by name. It raises NVMLError where the GPU, the driver or the
user's rights do not allow it; its caller handles that (`harness.samplers.nvml`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.host.gpus import OpenGpu

Figures = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kind of call."""

    kind: str  # its name in latencies and reasons
    ask: Callable[[OpenGpu], Figures]
    fields: tuple[str, ...] = ()  # of Observation, which are empty without it
    buffer: str = ""  # the driver's buffer (nvmlSamplingType_t) with the same figure at a higher rate
    metric: str = ""  # the name of that figure


def memory(gpu: OpenGpu) -> Figures:
    """Return the bytes that programs use, and those that driver and firmware keep beside them."""
    used, reserved = gpu.memory()
    return {"device_used_bytes": used, "device_reserved_bytes": reserved}


def utilisation(gpu: OpenGpu) -> Figures:
    """Return the share of the last sampling period in which a kernel ran, and in which memory was accessed."""
    rates = gpu.nvml.nvmlDeviceGetUtilizationRates(gpu.whole)
    return {"gpu_percent": rates.gpu, "memory_percent": rates.memory}


def power(gpu: OpenGpu) -> Figures:
    """Return the power of the whole board."""
    return {"power_mw": gpu.nvml.nvmlDeviceGetPowerUsage(gpu.whole)}


def energy(gpu: OpenGpu) -> Figures:
    """Return the energy of the whole board since the driver was loaded."""
    return {"energy_mj": gpu.nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.whole)}


def sm_clock(gpu: OpenGpu) -> Figures:
    """Return the clock of the multiprocessors."""
    return {"sm_clock_mhz": gpu.nvml.nvmlDeviceGetClockInfo(gpu.whole, gpu.nvml.NVML_CLOCK_SM)}


def memory_clock(gpu: OpenGpu) -> Figures:
    """Return the clock of the device memory."""
    return {"memory_clock_mhz": gpu.nvml.nvmlDeviceGetClockInfo(gpu.whole, gpu.nvml.NVML_CLOCK_MEM)}


def temperature(gpu: OpenGpu) -> Figures:
    """Return the temperature of the GPU."""
    return {"temperature_c": gpu.nvml.nvmlDeviceGetTemperature(gpu.whole, gpu.nvml.NVML_TEMPERATURE_GPU)}


def clock_events(gpu: OpenGpu) -> Figures:
    """Return the reasons for clocks below the highest as a bit mask; drivers before 535 have the older name only."""
    nvml = gpu.nvml
    try:
        return {"clock_events": nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu.whole)}
    except nvml.NVMLError as error:
        if error.value != nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return {"clock_events": nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu.whole)}


def violations(gpu: OpenGpu) -> Figures:
    """Return how long power and heat have held the GPU below its clocks."""
    status = gpu.nvml.nvmlDeviceGetViolationStatus
    return {
        "power_violation_ns": status(gpu.whole, gpu.nvml.NVML_PERF_POLICY_POWER).violationTime,
        "thermal_violation_ns": status(gpu.whole, gpu.nvml.NVML_PERF_POLICY_THERMAL).violationTime,
    }


def ecc(gpu: OpenGpu) -> Figures:
    """Return the memory errors since the driver was loaded, those corrected and those that could not be."""
    nvml, errors = gpu.nvml, gpu.nvml.nvmlDeviceGetTotalEccErrors
    return {
        "ecc_corrected": errors(gpu.whole, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_VOLATILE_ECC),
        "ecc_uncorrected": errors(gpu.whole, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC),
    }


def power_limit(gpu: OpenGpu) -> Figures:
    """Return the power that the driver lets the board draw."""
    return {"power_limit_mw": gpu.nvml.nvmlDeviceGetEnforcedPowerLimit(gpu.whole)}


MEMORY: Final = Call(
    kind="gpu memory",
    ask=memory,
    fields=("device_before_bytes", "device_peak_bytes", "device_after_bytes", "device_reserved_bytes"),
)
ENERGY: Final = Call(kind="gpu energy", ask=energy, fields=("energy_mj", "energy_window_mj", "energy_idle_mj"))
OFTEN: Final = (  # at every look
    ENERGY,
    MEMORY,
    Call(
        kind="gpu power",
        ask=power,
        fields=("power_median_mw", "power_most_mw"),
        buffer="NVML_TOTAL_POWER_SAMPLES",
        metric="power_mw",
    ),
    Call(
        kind="gpu sm clock",
        ask=sm_clock,
        fields=("sm_clock_median_mhz", "sm_clock_least_mhz"),
        buffer="NVML_PROCESSOR_CLK_SAMPLES",
        metric="sm_clock_mhz",
    ),
    Call(
        kind="gpu memory clock",
        ask=memory_clock,
        fields=("memory_clock_median_mhz",),
        buffer="NVML_MEMORY_CLK_SAMPLES",
        metric="memory_clock_mhz",
    ),
    Call(kind="gpu temperature", ask=temperature, fields=("temperature_most_c",)),
    Call(kind="gpu clock events", ask=clock_events, fields=("clock_events",)),
    Call(kind="gpu utilisation", ask=utilisation),
)
VIOLATIONS: Final = Call(kind="gpu violations", ask=violations, fields=("power_violation_ns", "thermal_violation_ns"))
COUNTERS: Final = (  # before and after the replicate: they only grow
    VIOLATIONS,
    Call(kind="gpu ecc", ask=ecc, fields=("ecc_corrected", "ecc_uncorrected")),
)
ONCE: Final = (Call(kind="gpu power limit", ask=power_limit, fields=("power_limit_mw",)),)
PROGRAMS: Final = Call(kind="gpu processes", ask=lambda gpu: {}, fields=("foreign", "device_process_peak_bytes"))

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
    ("nvmlClocksThrottleReasonBoardLimit", "board limit"),
    ("nvmlClocksThrottleReasonReliability", "reliability"),
)


def event_names(gpu: OpenGpu, mask: int) -> list[str]:
    """Return what the bits of `clock_events` mean; those that the library has no name for by their value."""
    bits = {name: getattr(gpu.nvml, constant) for constant, name in EVENTS}
    rest = mask & ~sum(bits.values())
    return [name for name, bit in bits.items() if mask & bit] + ([f"reason {rest:#x}"] if rest else [])
