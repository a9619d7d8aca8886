"""The GPU of a deep check: read at rest, while the first good cell runs, after it, and under a lock if asked for."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from bench.records.record import Cell, Record
from harness.doctor.deep import readings
from harness.doctor.deep.readings import AtRest
from harness.doctor.deep.under_load import UnderLoad, Watcher
from harness.host.gpus import OpenGpu
from harness.plan.plan import PlannedReplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The GPU with its clocks locked."""

    mhz: int = 0  # that were asked for; 0: they could not be locked
    error: str = ""  # name of NVML's error, such as "NoPermission"; empty: they were locked
    load: UnderLoad | None = None  # None: no cell ran


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReadings:
    """All that was read of one GPU."""

    rest: AtRest
    load: UnderLoad | None = None  # None: no cell has worked on it
    settled_s: float | None = None  # from the end of that cell until the power was near that at rest; None: it was not
    lock: Lock | None = None  # None: nobody asked for it


class Reader:
    """Reads a GPU beside the cells of a trial (`harness.doctor.deep.trial.Beside`)."""

    def __init__(self, gpu: OpenGpu, rest: AtRest | None = None) -> None:
        """Read it at rest, now; `rest`: what was read before."""
        self._gpu = gpu
        self._watcher: Watcher | None = None
        self.seen = GpuReadings(rest=rest or readings.at_rest(gpu))
        self.worked: Cell | None = None  # the cell that ran while it was read under load

    def while_runs(self, planned: PlannedReplicate) -> contextlib.AbstractContextManager[object]:
        """Watch the GPU until a cell has worked on it."""
        if self.seen.load is not None:
            return contextlib.nullcontext()
        self._watcher = Watcher(self._gpu)
        return self._watcher

    def after(self, record: Record) -> None:
        """Keep what was seen while a cell worked, and wait until the GPU is at rest again."""
        if self.seen.load is not None or self._watcher is None or record.status != "ok":
            return
        self.worked = record.cell
        settled_s = readings.settling_s(self._gpu, self.seen.rest.power_mw)
        self.seen = GpuReadings(rest=self.seen.rest, load=self._watcher.seen, settled_s=settled_s)

    def under_lock(self, once_more: Callable[[Cell], Record | None]) -> None:
        """Run the cell that worked once more with the clocks locked; unlock them."""
        load: UnderLoad | None = None
        try:
            with readings.locked(self._gpu) as mhz:
                if self.worked is not None:
                    with Watcher(self._gpu) as watcher:
                        record = once_more(self.worked)
                    load = watcher.seen if record is not None and record.status == "ok" else None
            lock = Lock(mhz=mhz, load=load)
        except self._gpu.nvml.NVMLError as error:
            lock = Lock(error=readings.error_name(error))
        self.seen = GpuReadings(rest=self.seen.rest, load=self.seen.load, settled_s=self.seen.settled_s, lock=lock)

    def close(self) -> None:
        """Close NVML."""
        self._gpu.close()
