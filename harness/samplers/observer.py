"""A replicate observed from outside: probes before, while and after it runs, and their samples as an `Observation`.

    Observer (a run) ─→ Watch (a replicate): Watched, probes, Sampler ─→ samples ─→ Observation

The Observation is computed from the raw samples, which are kept as well.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.records.observation import Energy, Observation
from harness.host import gpus
from harness.host.gpus import UNEXPLAINED_BYTES, UNSEEN
from harness.host.nvidia import NvidiaError
from harness.samplers import calls
from harness.samplers.base import STEADY_PHASES, Costs, Probe, Sampler, Watched
from harness.samplers.counter import Reading, Work, work
from harness.samplers.nvml import ENERGY_CALL, Device, NvmlProbe
from harness.samplers.owner import Owner
from harness.samplers.process import ProcessProbe
from harness.store.samples import Sample

METRICS: Final = (
    "device_used_bytes", "device_process_bytes", "sm_clock_mhz", "memory_clock_mhz", "temperature_c", "power_mw",
    "clock_events", "energy_mj", "power_violation_ns", "thermal_violation_ns",
)  # fmt: skip
OF_THE_GPU: Final = ("device_", "sm_", "memory_", "temperature_", "power_", "thermal_", "ecc_", "energy_")
IN_STEADY: Final = ("sm_clock_median_mhz", "sm_clock_least_mhz", "memory_clock_median_mhz", "power_median_mw")
EXACT: Final = 0.02  # of the energy of a step: where it may be wrong by more, a figure says so
LEAST_EXACT: Final = 0.25  # there is no figure where it may be wrong by more

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
        self._group: set[Watched] = set()  # those that have begun and not ended
        self._device: Device | None = None
        self._no_gpu = "gpu: the run does not use one"
        if device != "cuda":
            return
        try:
            self._device = Device(gpus.open_gpu(gpu, nvml), say)
        except NvidiaError as error:
            self._no_gpu = f"gpu: {error}"
            say(f"The GPU cannot be observed: {error}. Its figures stay empty, those of the processor continue.")

    @property
    def gpu_name(self) -> str:
        """The model of the GPU that is watched; empty: none is, or the driver does not say."""
        return self._device.gpu.name if self._device else ""

    def watch(self, subject: str, *, energy: bool = False) -> "Watch":
        """Return a watch over one replicate, for a `with` block; `energy`: of the track that measures energy."""
        return Watch(
            subject,
            device=self._device,
            no_gpu=self._no_gpu,
            shared_gpu=self._shared_gpu,
            group=self._group,
            energy=energy,
        )

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
        group: set[Watched] | None = None,
        energy: bool = False,
    ) -> None:
        """Observe `subject`; `group`: all replicates that are watched now, to which it is added; `energy`: as above."""
        self._watched = Watched(subject)
        self._group = set() if group is None else group
        self._costs = Costs()
        self._no_gpu = no_gpu
        self._shared_gpu = shared_gpu
        self._process = ProcessProbe(self._watched, self._costs)
        owner = Owner(self._watched, group=self._group)
        self._gpu = NvmlProbe(device, self._watched, owner, self._costs, energy=energy) if device else None
        probes: list[Probe] = [self._process] if self._gpu is None else [self._process, self._gpu]
        self._sampler = Sampler(self._watched, probes, self._costs)

    def __enter__(self) -> Self:
        self._group.add(self._watched)
        self._sampler.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampler.__exit__(kind, error, trace)
        self._group.discard(self._watched)

    def started(self, pid: int, folder: Path | None = None) -> None:
        """Take note of the replicate's first process and of the folder of its turn (`harness.launchers.base`)."""
        self._watched.started(pid, folder)

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
            missing += gaps(observed, self._gpu, self.samples, window)
        return dataclasses.replace(observed, missing=tuple(missing))


def with_gpu(observed: Observation, probe: NvmlProbe, samples: Sequence[Sample], window: Energy | None) -> Observation:
    """Return the observation with the figures of the GPU."""
    figures = {metric: series_of(samples, metric) for metric in METRICS}
    steady = {metric: during(figures[metric], samples) for metric in METRICS}
    events = {name for _, mask in steady["clock_events"] for name in calls.event_names(probe.device.gpu, int(mask))}
    growth = {name: grown for name, grown in grew(probe).items() if grown >= 0}
    worked = energy(samples, window) if window else None
    worked = worked if isinstance(worked, Work) else None
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
        power_violation_ns=violated("power_violation_ns", figures, samples, growth),
        thermal_violation_ns=violated("thermal_violation_ns", figures, samples, growth),
        ecc_corrected=growth.get("ecc_corrected"),
        ecc_uncorrected=growth.get("ecc_uncorrected"),
        xids=tuple(probe.xids),
        energy_mj=growth.get("energy_mj"),
        energy_window_mj=worked.window_mj if worked else None,
        energy_idle_mj=worked.idle_mj if worked else None,
    )


def grew(probe: NvmlProbe) -> dict[str, int]:
    """Return by how much each figure is more after the replicate than before; negative: a counter began anew."""
    return {name: after - probe.before[name] for name, after in probe.after.items() if name in probe.before}


def violated(
    name: str, figures: Mapping[str, Series], samples: Sequence[Sample], growth: Mapping[str, int]
) -> int | None:
    """Return by how much a counter of time below the usual clocks grew in warm-up and timed rounds.

    It is read as the phases begin. Where it was not read before and after them, its growth in the whole turn.
    """
    phases = steady_phases(samples)
    before = [value for t_ns, value in figures[name] if phases and t_ns <= phases[0][0]]
    after = [value for t_ns, value in figures[name] if phases and t_ns >= phases[-1][1]]
    if name not in growth or not before or not after:
        return growth.get(name)
    return max(0, round(after[0] - before[-1]))


def energy(samples: Sequence[Sample], window: Energy) -> Work | str:
    """Return the energy of a window and of the rest before it, or why there is none."""
    found = work(energy_counter(samples), window)
    if isinstance(found, Work) and found.share > LEAST_EXACT:
        if math.isinf(found.share):
            return f"the energy of a step cannot be told from that of the GPU at rest, because {_why(found)}"
        return f"the energy of a step would be known to {_percent(found)} only, because {_why(found)}"
    return found


def energy_counter(samples: Sequence[Sample]) -> list[Reading]:
    """Return the readings of the energy counter, at times on the clock of the replicates."""
    ahead_ns = clock_offset_ns()
    took = dict(series_of(samples, ENERGY_CALL))
    return [
        Reading(t_ns - ahead_ns - round(took.get(t_ns, 0)), t_ns - ahead_ns, value)
        for t_ns, value in series_of(samples, "energy_mj")
    ]


def _percent(found: Work) -> str:
    return f"{math.ceil(found.share * 100)}%"


def _why(found: Work) -> str:
    if not found.rested:
        return "the GPU was not seen at rest after the window"
    return f"the counter ticked, or was read, every {found.spacing_ns / 1e6:.0f} ms only"


def gaps(observed: Observation, probe: NvmlProbe, samples: Sequence[Sample], window: Energy | None) -> list[str]:
    """Return why fields of the GPU are empty, or known in part, as `Observation.missing` has it."""
    empty = [name for name in fields_of_the_gpu() if getattr(observed, name) is None]
    unseen = () if series_of(samples, "clock_events") else ("clock_events",)
    reasons = list(probe.device.missing([*empty, *unseen, "foreign"]))
    if not probe.device.lost:
        fell = [name for name, grown in grew(probe).items() if grown < 0 and name in empty]
        reasons += [f"{name}: the counter began anew" for name in fell]
        reasons += _of_phases(observed, samples, _named(reasons))
    if "device_process_peak_bytes" in empty and "device_process_peak_bytes" not in _named(reasons):
        reasons.append("device_process_peak_bytes: NVML listed no process of the replicate with its memory")
    if "foreign" not in _named(reasons) and (why := _not_seen(observed, probe)):
        reasons.append(f"foreign: {why}")
    reasons += _of_window(observed, samples, window, _named(reasons))
    others = [name for name in empty if name not in _named(reasons)]
    if not window:
        others = [name for name in others if name not in ("energy_window_mj", "energy_idle_mj")]
    if others and not probe.device.lost:
        reasons.append(f"{', '.join(others)}: the replicate ended before the GPU had answered")
    return reasons


def _named(reasons: Iterable[str]) -> set[str]:
    return {field for line in reasons for field in line.partition(": ")[0].split(", ")}


def _of_phases(observed: Observation, samples: Sequence[Sample], named: Collection[str]) -> Iterator[str]:
    """Yield which fields have no sample of warm-up and timed rounds."""
    short = [name for name in IN_STEADY if getattr(observed, name) is None and name not in named]
    if "clock_events" not in named and not during(series_of(samples, "clock_events"), samples):
        short.append("clock_events")
    if short:
        yield f"{', '.join(short)}: no sample is known to be of warm-up or timed rounds"


def _not_seen(observed: Observation, probe: NvmlProbe) -> str:
    """Return why other programs on the GPU may not have been seen; empty: they would have been."""
    owner, watched = probe.owner, probe.watched
    if not owner.sees_host:
        return f"{UNSEEN}, so programs elsewhere show in the GPU's memory only"
    if watched.pid is None:
        return "which processes are the replicate's is not known, so only programs that were there before are seen"
    held = (observed.device_peak_bytes or 0) - (observed.device_before_bytes or 0)
    if not owner.is_listed and held > UNEXPLAINED_BYTES:
        return "NVML did not list the replicate itself, so it may not list others"
    return ""


def _of_window(
    observed: Observation, samples: Sequence[Sample], window: Energy | None, named: Collection[str]
) -> Iterator[str]:
    """Yield why the energy of the window is not known, or how exactly it is."""
    if window is None or "energy_window_mj" in named:
        return
    found = energy(samples, window)
    if isinstance(found, str):
        yield f"energy_window_mj, energy_idle_mj: {found}"
    elif found.share > EXACT:
        yield f"energy_window_mj: known to {_percent(found)} of the energy of a step, because {_why(found)}"


def fields_of_the_gpu() -> list[str]:
    """Return the fields of an Observation that the GPU fills."""
    return [name for name in Observation.__dataclass_fields__ if name.startswith(OF_THE_GPU)]


def series_of(samples: Sequence[Sample], metric: str) -> Series:
    """Return one metric of the GPU in the order of time."""
    return sorted((t_ns, value) for t_ns, source, _, name, value in samples if source == "nvml" and name == metric)


def during(series: Series, samples: Sequence[Sample]) -> Series:
    """Return the part of a series in the phases in which the device does the work that is measured."""
    steady = steady_phases(samples)
    return [(t_ns, value) for t_ns, value in series if any(begin <= t_ns < end for begin, end in steady)]


def steady_phases(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Return begin and end of each of those phases, in Unix time."""
    begun = sorted((t_ns, phase) for t_ns, source, _, phase, _ in samples if source == "turn")
    ends = [t_ns for t_ns, _ in begun[1:]] + [1 << 63]
    return [(begin, end) for (begin, phase), end in zip(begun, ends, strict=False) if phase in STEADY_PHASES]


def clock_offset_ns() -> int:
    """Return by how much the Unix clock is ahead of the monotonic one, which replicates use."""
    return time.time_ns() - time.perf_counter_ns()


def _median(series: Series) -> int | None:
    return round(statistics.median(value for _, value in series)) if series else None


def _most(series: Series) -> int | None:
    return round(max(value for _, value in series)) if series else None


def _least(series: Series) -> int | None:
    return round(min(value for _, value in series)) if series else None
