"""What was seen of one replicate from outside its process. Standard library only; a `Record` holds it.

The harness fills it when the turn has ended: bench writes none of this. Every figure is None where it was not measured,
and `missing` then says why, as "field: reason".
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One replicate as its host saw it, from before its process was started until it had gone."""

    missing: tuple[str, ...] = ()  # "field: reason" of what could not be measured, or only in part

    # The sampler itself
    sampler_looks: int = 0  # times that it looked
    sampler_cpu_ns: int | None = None  # CPU time of its thread
    sampler_wall_ns: int | None = None  # time that it was there
    slowest_call: str = ""  # kind of the call that took longest, such as "gpu processes"
    slowest_call_ns: int | None = None  # how long that was

    # The GPU, through NVML. Of a MIG instance memory and programs are its own, all else is the whole GPU's.
    gpu: str = ""  # UUID of the GPU or MIG instance; empty: none is watched
    shared_gpu: bool = False  # the run was told that others may use it (--allow-shared-gpu)
    foreign: tuple[str, ...] = ()  # programs of others that had a context on it, before or during: "python (4711)"
    device_before_bytes: int | None = None  # used of its memory before the process was started, all programs
    device_peak_bytes: int | None = None  # the most of it that was seen used: a lower bound of the peak
    device_after_bytes: int | None = None  # used once the process had gone; should be device_before_bytes
    device_reserved_bytes: int | None = None  # kept by driver and firmware, not part of the three above
    device_process_peak_bytes: int | None = None  # the most that NVML gave for the replicate's own processes
    sm_clock_median_mhz: int | None = None  # over the samples of warm-up and timed rounds
    sm_clock_least_mhz: int | None = None  # over the same samples
    memory_clock_median_mhz: int | None = None  # over the same samples
    temperature_most_c: int | None = None
    power_median_mw: int | None = None  # over the samples of warm-up and timed rounds
    power_most_mw: int | None = None
    power_limit_mw: int | None = None  # that the driver enforces
    clock_events: tuple[str, ...] = ()  # reasons seen for clocks below the highest, such as "sw power cap"
    power_violation_ns: int | None = None  # that the GPU was held below its clocks for power, in this turn
    thermal_violation_ns: int | None = None  # the same for heat
    ecc_corrected: int | None = None  # memory errors corrected in this turn
    ecc_uncorrected: int | None = None  # memory errors of this turn that could not be
    xids: tuple[int, ...] = ()  # critical errors that the driver reported in this turn, by number
    energy_mj: int | None = None  # of the whole turn, by the GPU's counter
    energy_window_mj: int | None = None  # of the window that `Energy` names, by the same counter
    energy_idle_mj: int | None = None  # of its idle stretch before that window

    # The host, until the record was written: without the further processes of `Record.repeats`
    host_peak_rss_bytes: int | None = None  # VmHWM of its largest process as last seen: a lower bound
    host_tree_peak_rss_bytes: int | None = None  # the most that the process and its children held at one look
    host_peak_uss_bytes: int | None = None  # memory that is the tree's alone, the most seen at an edge of phases
    host_peak_pss_bytes: int | None = None  # the same with its share of what it shares
    cgroup_peak_bytes: int | None = None  # peak of the control group, of a container: it has a group of its own
    major_faults: int | None = None  # page faults that went to the disk
    involuntary_switches: int | None = None  # times that a thread was taken off its processor; a lower bound
    throttled_periods: int | None = None  # nr_throttled of its control groups, in this turn
    load_percent: int | None = None  # load average of the last minute at its start: 100 is one busy processor


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """When an energy replicate rested and worked, on the monotonic clock that a host's processes share."""

    idle_begin_ns: int  # from here the device had nothing to do, the model on it
    idle_end_ns: int
    begin_ns: int  # from here it worked without a pause
    end_ns: int
    steps: int  # optimiser updates between begin_ns and end_ns
