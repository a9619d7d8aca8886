"""What NVML says while a cell runs: a thread that asks often, beside the sampler. No time of that cell is shown."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import psutil

from harness.doctor.deep import readings
from harness.host.gpus import OpenGpu
from harness.samplers import calls

EVERY_S: Final = 0.05  # clocks, power, programs
COUNTER_S: Final = 0.001  # the energy counter, whose ticks are to be seen
COUNTED: Final = 5_000  # readings of it


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderLoad:
    """One GPU while a tiny cell ran on it, which is a light load."""

    looks: int
    tick_mj: int | None  # smallest step of the energy counter; None: no two were seen
    tick_ms: float | None  # median time between two of its steps
    clock_events: tuple[str, ...]  # reasons for clocks below the highest that were seen
    sm_clock_most_mhz: int | None
    power_most_mw: int | None
    gpu_percent_most: int | None
    programs: int  # processes that NVML listed, at any look
    alive: int  # of these, those that this process can see: others are of another namespace of PIDs, or have ended
    with_memory: int  # of these, those with their memory


class Watcher:
    """Asks while its `with` block runs; `seen` is what it saw."""

    def __init__(self, gpu: OpenGpu, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._gpu = gpu
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="doctor", daemon=True)
        self._counter: list[tuple[int, int]] = []
        self._counts = True  # the energy counter answers
        self._looks = 0
        self._events: set[str] = set()
        self._most: dict[str, int] = {}
        self._listed: dict[int, tuple[bool, bool]] = {}  # by PID: whether it is alive, and whether it has memory

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seen(self) -> UnderLoad:
        """What was seen, once the block has ended."""
        tick = readings.tick(self._counter)
        return UnderLoad(
            looks=self._looks,
            tick_mj=tick[0] if tick else None,
            tick_ms=tick[1] if tick else None,
            clock_events=tuple(sorted(self._events)),
            sm_clock_most_mhz=self._most.get("sm_clock_mhz"),
            power_most_mw=self._most.get("power_mw"),
            gpu_percent_most=self._most.get("gpu_percent"),
            programs=len(self._listed),
            alive=sum(alive for alive, _ in self._listed.values()),
            with_memory=sum(memory for _, memory in self._listed.values()),
        )

    def _loop(self) -> None:
        due = self._clock()
        while not self._stop.wait(COUNTER_S if self._counts else EVERY_S):
            self._count()
            if self._clock() >= due:
                self._look()
                due = self._clock() + round(EVERY_S * 1e9)

    def _count(self) -> None:
        if not self._counts:
            return
        value = readings.figure(self._gpu, calls.energy)
        self._counts = value is not None and len(self._counter) < COUNTED
        if value is not None:
            self._counter.append((self._clock(), value))

    def _look(self) -> None:
        self._looks += 1
        self._events |= set(readings.events(self._gpu))
        for ask in (calls.sm_clock, calls.power, calls.utilisation):
            with contextlib.suppress(self._gpu.nvml.NVMLError):
                for name, value in ask(self._gpu).items():
                    self._most[name] = max(value, self._most.get(name, value))
        with contextlib.suppress(self._gpu.nvml.NVMLError):
            for pid, held in self._gpu.programs().items():
                alive, memory = self._listed.get(pid, (False, False))
                self._listed[pid] = (alive or psutil.pid_exists(pid), memory or held is not None)
