"""What the harness measured of one replicate from outside its process. Standard library only; a `Record` holds it.

The harness fills it when the turn has ended; bench writes only `Energy`. A figure that was not measured is None, and
`missing` says why, as "field: reason".
"""

from dataclasses import dataclass
from typing import Final

REST_NS: Final = 1_000_000_000  # an energy replicate leaves its device without work for so long after its window


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One replicate, measured on its host from before its process started until after it ended."""

    missing: tuple[str, ...] = ()  # "field: reason" of what could not be measured, or only in part

    # The sampler itself
    sampler_looks: int = 0  # times that it took a sample
    sampler_cpu_ns: int | None = None  # CPU time of its thread
    sampler_wall_ns: int | None = None  # time that it ran
    slowest_call: str = ""  # kind of the call that took longest, such as "gpu processes"
    slowest_call_ns: int | None = None  # how long that was

    # The GPU, through NVML. On a MIG instance, memory and programs are of the instance, all else is of the whole GPU.
    gpu: str = ""  # UUID of the GPU or MIG instance; empty: none is watched
    shared_gpu: bool = False  # the run was allowed to share it with other programs (--allow-shared-gpu)
    foreign: tuple[str, ...] = ()  # other programs on it, before or during: "python (4711)"; memory that none explains
    device_before_bytes: int | None = None  # what all programs used of it before the process was started
    device_peak_bytes: int | None = None  # the most used memory that was seen: a lower bound of the peak
    device_after_bytes: int | None = None  # used memory after the process ended; should equal device_before_bytes
    device_reserved_bytes: int | None = None  # kept by driver and firmware, not part of the three above
    device_process_peak_bytes: int | None = None  # the most that NVML reported for the replicate's own processes
    sm_clock_median_mhz: int | None = None  # over the samples of warm-up and timed rounds
    sm_clock_least_mhz: int | None = None  # over the same samples
    memory_clock_median_mhz: int | None = None  # over the same samples
    temperature_most_c: int | None = None
    power_median_mw: int | None = None  # over the samples of warm-up and timed rounds
    power_most_mw: int | None = None
    power_limit_mw: int | None = None  # the limit that the driver enforces
    clock_events: tuple[str, ...] = ()  # reasons for low clocks in warm-up and timed rounds, such as "sw power cap"
    power_violation_ns: int | None = None  # time that power lowered its clocks in those phases, else in the turn
    thermal_violation_ns: int | None = None  # the same for heat
    ecc_corrected: int | None = None  # memory errors corrected in this turn
    ecc_uncorrected: int | None = None  # memory errors of this turn that could not be corrected
    xids: tuple[int, ...] = ()  # critical errors that the driver reported in this turn, by number
    energy_mj: int | None = None  # of the whole turn, by the GPU's counter
    energy_window_mj: int | None = None  # of the window that `Energy` names, by the same counter
    energy_idle_mj: int | None = None  # of its idle time before that window

    # The host, until the record was written: without the further processes of `Record.repeats`
    host_peak_rss_bytes: int | None = None  # VmHWM of its largest process at the last sample: a lower bound
    host_tree_peak_rss_bytes: int | None = None  # the most that the process and its children held in one sample
    host_peak_uss_bytes: int | None = None  # memory of the process tree alone, the most seen at a change of phase
    host_peak_pss_bytes: int | None = None  # the same, plus its part of shared memory
    cgroup_peak_bytes: int | None = None  # peak of the control group; only of a container, which has a group of its own
    major_faults: int | None = None  # page faults that went to the disk
    involuntary_switches: int | None = None  # times that a thread lost its processor; a lower bound
    throttled_periods: int | None = None  # nr_throttled of its control groups, in this turn
    load_percent: int | None = None  # load average of the last minute, at the start: 100 is one busy processor


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """When an energy replicate rested and worked, on the monotonic clock that a host's processes share."""

    idle_begin_ns: int  # from here the device had no work; the model was on it
    idle_end_ns: int
    begin_ns: int  # from here the device worked without a pause
    end_ns: int
    steps: int  # optimiser updates between begin_ns and end_ns
