"""A replicate observed from outside: probes before, while and after it runs, and their samples as an `Observation`.

    Observer (a run) ─→ Watch (a replicate): Watched, probes, Sampler ─→ samples ─→ Observation

The Observation is computed from the raw samples, which are kept as well.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.records.observation import Energy, Observation
from harness.host import gpus
from harness.host.nvidia import NvidiaError
from harness.samplers import calls
from harness.samplers.base import STEADY_PHASES, Costs, Probe, Sampler, Watched
from harness.samplers.counter import between
from harness.samplers.nvml import Device, NvmlProbe
from harness.samplers.owner import Owner
from harness.samplers.process import ProcessProbe
from harness.store.samples import Sample

METRICS: Final = (
    "device_used_bytes", "device_process_bytes", "sm_clock_mhz", "memory_clock_mhz", "temperature_c", "power_mw",
    "clock_events", "energy_mj",
)  # fmt: skip
OF_THE_GPU: Final = ("device_", "sm_", "memory_", "temperature_", "power_", "thermal_", "ecc_", "energy_")
IN_STEADY: Final = ("sm_clock_median_mhz", "sm_clock_least_mhz", "memory_clock_median_mhz", "power_median_mw")

Series = list[tuple[int, float]]  # (Unix time in ns, value), in the order of time


class Observer:
    """Watches the replicates of a run, one after the other; holds NVML open where the run uses a GPU."""

    def __init__(
        self,
        *,
        device: str,
        gpu: str,
        say: Callable[[str], None],
        shared_gpu: bool = False,
        nvml: object = None,
    ) -> None:
        """Observe the GPU called `gpu` on `device` "cuda"; `say` gets a sentence where that is impossible."""
        self._shared_gpu = shared_gpu
        self._group: set[int] = set()  # first processes of those that are watched now
        self._device: Device | None = None
        self._no_gpu = "gpu: the run does not use one"
        if device != "cuda":
            return
        try:
            self._device = Device(gpus.open_gpu(gpu, nvml), say)
        except NvidiaError as error:
            self._no_gpu = f"gpu: {error}"
            say(f"The GPU cannot be observed: {error}. Its figures stay empty, those of the processor continue.")

    def watch(self, subject: str) -> "Watch":
        """Return a watch over one replicate, for a `with` block."""
        return Watch(subject, device=self._device, no_gpu=self._no_gpu, shared_gpu=self._shared_gpu, group=self._group)

    def close(self) -> None:
        """Close NVML; may be called twice."""
        if self._device:
            self._device.close()
            self._device = None


class Watch:
    """Observes one replicate while its `with` block runs."""

    def __init__(
        self,
        subject: str,
        *,
        device: Device | None,
        no_gpu: str,
        shared_gpu: bool = False,
        group: set[int] | None = None,
    ) -> None:
        """Observe `subject`; `group`: first processes of all replicates that are watched now, its own is added."""
        self._watched = Watched(subject)
        self._group = set() if group is None else group
        self._costs = Costs()
        self._no_gpu = no_gpu
        self._shared_gpu = shared_gpu
        self._process = ProcessProbe(self._watched, self._costs)
        owner = Owner(self._watched, group=self._group)
        self._gpu = NvmlProbe(device, self._watched, owner, self._costs) if device else None
        probes: list[Probe] = [self._process] if self._gpu is None else [self._process, self._gpu]
        self._sampler = Sampler(self._watched, probes, self._costs)

    def __enter__(self) -> Self:
        self._sampler.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampler.__exit__(kind, error, trace)
        self._group.discard(self._watched.pid or 0)

    def started(self, pid: int, folder: Path | None = None) -> None:
        """Take note of the replicate's first process and of the folder of its turn (`harness.launchers.base`)."""
        self._watched.started(pid, folder)
        self._group.add(pid)

    def pause(self) -> None:
        """Look no more while the replicate is parked; may be called twice."""
        self._sampler.pause()

    def resume(self) -> None:
        """Look again; may be called twice."""
        self._sampler.resume()

    @property
    def samples(self) -> Sequence[Sample]:
        """Everything that was sampled, once the block has ended."""
        return self._sampler.samples

    def observation(self, window: Energy | None = None) -> Observation:
        """Return what was observed, once the block has ended; `window`: when the replicate says that it worked."""
        kind, slowest_ns = self._costs.slowest()
        observed = Observation(
            sampler_looks=self._sampler.looks,
            sampler_cpu_ns=self._sampler.cpu_ns,
            sampler_wall_ns=self._sampler.wall_ns,
            slowest_call=kind,
            slowest_call_ns=slowest_ns,
            shared_gpu=self._shared_gpu,
        )
        observed = dataclasses.replace(observed, **self._process.fields())
        missing = list(self._process.missing())
        if self._gpu is None:
            missing.append(self._no_gpu)
        else:
            observed = with_gpu(observed, self._gpu, self.samples, window)
            missing += gaps(observed, self._gpu, window)
        return dataclasses.replace(observed, missing=tuple(missing))


def with_gpu(observed: Observation, probe: NvmlProbe, samples: Sequence[Sample], window: Energy | None) -> Observation:
    """Return the observation with the figures of the GPU."""
    figures = {metric: series_of(samples, metric) for metric in METRICS}
    steady = {metric: during(figures[metric], samples) for metric in METRICS}
    ahead_ns = clock_offset_ns()
    counter = [(t_ns - ahead_ns, value) for t_ns, value in figures["energy_mj"]]
    events = {name for _, mask in figures["clock_events"] for name in calls.event_names(probe.device.gpu, int(mask))}
    growth = {name: after - probe.before[name] for name, after in probe.after.items() if name in probe.before}
    return dataclasses.replace(
        observed,
        gpu=probe.device.gpu.uuid,
        foreign=tuple(sorted(probe.foreign.values())),
        device_before_bytes=probe.before.get("device_used_bytes"),
        device_peak_bytes=_most(figures["device_used_bytes"]),
        device_after_bytes=probe.after.get("device_used_bytes"),
        device_reserved_bytes=probe.before.get("device_reserved_bytes"),
        device_process_peak_bytes=_most(figures["device_process_bytes"]),
        sm_clock_median_mhz=_median(steady["sm_clock_mhz"]),
        sm_clock_least_mhz=_least(steady["sm_clock_mhz"]),
        memory_clock_median_mhz=_median(steady["memory_clock_mhz"]),
        temperature_most_c=_most(figures["temperature_c"]),
        power_median_mw=_median(steady["power_mw"]),
        power_most_mw=_most(figures["power_mw"]),
        power_limit_mw=probe.before.get("power_limit_mw"),
        clock_events=tuple(sorted(events)),
        power_violation_ns=growth.get("power_violation_ns"),
        thermal_violation_ns=growth.get("thermal_violation_ns"),
        ecc_corrected=growth.get("ecc_corrected"),
        ecc_uncorrected=growth.get("ecc_uncorrected"),
        xids=tuple(probe.xids),
        energy_mj=growth.get("energy_mj"),
        energy_window_mj=between(counter, window.begin_ns, window.end_ns) if window else None,
        energy_idle_mj=between(counter, window.idle_begin_ns, window.idle_end_ns) if window else None,
    )


def gaps(observed: Observation, probe: NvmlProbe, window: Energy | None) -> list[str]:
    """Return why fields of the GPU are empty, as `Observation.missing` has it."""
    reasons = list(probe.device.missing([name for name in fields_of_the_gpu() if getattr(observed, name) is None]))
    named = {field for line in reasons for field in line.partition(": ")[0].split(", ")}
    short = [name for name in IN_STEADY if getattr(observed, name) is None and name not in named]
    if short and not probe.device.lost:
        reasons.append(f"{', '.join(short)}: no sample is known to be of warm-up or timed rounds")
    if observed.device_process_peak_bytes is None and "device_process_peak_bytes" not in named:
        reasons.append("device_process_peak_bytes: NVML listed no process of the replicate with its memory")
    if window and None in (observed.energy_window_mj, observed.energy_idle_mj) and "energy_window_mj" not in named:
        reasons.append("energy_window_mj, energy_idle_mj: the counter was not read before and after them")
    named |= {field for line in reasons for field in line.partition(": ")[0].split(", ")}
    others = [name for name in fields_of_the_gpu() if getattr(observed, name) is None and name not in named]
    if not window:
        others = [name for name in others if name not in ("energy_window_mj", "energy_idle_mj")]
    if others and not probe.device.lost:
        reasons.append(f"{', '.join(others)}: the replicate ended before the GPU had answered")
    return reasons


def fields_of_the_gpu() -> list[str]:
    """Return the fields of an Observation that the GPU fills."""
    return [name for name in Observation.__dataclass_fields__ if name.startswith(OF_THE_GPU)]


def series_of(samples: Sequence[Sample], metric: str) -> Series:
    """Return one metric of the GPU in the order of time."""
    return sorted((t_ns, value) for t_ns, source, _, name, value in samples if source == "nvml" and name == metric)


def during(series: Series, samples: Sequence[Sample]) -> Series:
    """Return the part of a series in the phases in which the device does the work that is measured."""
    begun = sorted((t_ns, phase) for t_ns, source, _, phase, _ in samples if source == "turn")
    ends = [t_ns for t_ns, _ in begun[1:]] + [1 << 63]
    steady = [(begin, end) for (begin, phase), end in zip(begun, ends, strict=False) if phase in STEADY_PHASES]
    return [(t_ns, value) for t_ns, value in series if any(begin <= t_ns < end for begin, end in steady)]


def clock_offset_ns() -> int:
    """Return by how much the Unix clock is ahead of the monotonic one, which replicates use."""
    return time.time_ns() - time.perf_counter_ns()


def _median(series: Series) -> int | None:
    return round(statistics.median(value for _, value in series)) if series else None


def _most(series: Series) -> int | None:
    return round(max(value for _, value in series)) if series else None


def _least(series: Series) -> int | None:
    return round(min(value for _, value in series)) if series else None
