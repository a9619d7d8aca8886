"""The GPU during a replicate, through NVML: cheap calls at every look, lists of programs between phases only.

A program is another's when its PID says so (`harness.samplers.owner`). Where PIDs say nothing it is one that was listed
before the replicate began and is listed still after it has ended, or memory that no listed program holds.

A call that the GPU, its driver or this user's rights do not allow is made once in a run: its figures stay empty, with
the reason. One that fails now and then leaves a gap. One that takes long is made at one look of ten. Once a GPU is
lost no call is made: the run says so, and the figures of the processor continue.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from harness.host import gpus, nvidia
from harness.host.gpus import OpenGpu
from harness.samplers import calls, stamps
from harness.samplers.base import Costs, Watched
from harness.samplers.calls import Call
from harness.samplers.owner import Owner
from harness.store.samples import Sample

SLOW_NS: Final = 1_000_000  # a kind of call whose median is longer is made at one look of ten
REFUSALS: Final = (  # answers that will be the same for the rest of the run
    "NVML_ERROR_NOT_SUPPORTED", "NVML_ERROR_FUNCTION_NOT_FOUND", "NVML_ERROR_NO_PERMISSION",
    "NVML_ERROR_INVALID_ARGUMENT", "NVML_ERROR_ARGUMENT_VERSION_MISMATCH", "NVML_ERROR_DEPRECATED",
)  # fmt: skip
LOSSES: Final = (
    "NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_GPU_NOT_FOUND", "NVML_ERROR_RESET_REQUIRED", "NVML_ERROR_DRIVER_NOT_LOADED",
    "NVML_ERROR_UNINITIALIZED",
)  # fmt: skip
MOST_XIDS: Final = 100  # errors in one look
RELEASE_S: Final = 1.0  # for the driver to take back the memory of a process that has gone
ENERGY_CALL: Final = "energy_call_ns"  # metric: how long the reading of the counter took that ended then
XIDS: Final = "xids"  # kind of the call for critical errors
AT_REST: Final = "check"  # the phase in which an energy replicate rests
TICK_S: Final = 0.1  # the longest wait for a tick of the energy counter
TICK_EVERY_S: Final = 0.001
RELEASE_EVERY_S: Final = 0.1
RELEASED_BYTES: Final = 2 << 20  # above what was used before; less is the driver's own
VALUE_FIELDS: Final = {  # of a buffer's sample, by the type of its values
    "NVML_VALUE_TYPE_DOUBLE": "dVal", "NVML_VALUE_TYPE_UNSIGNED_INT": "uiVal", "NVML_VALUE_TYPE_UNSIGNED_LONG": "ulVal",
    "NVML_VALUE_TYPE_UNSIGNED_LONG_LONG": "ullVal", "NVML_VALUE_TYPE_SIGNED_LONG_LONG": "sllVal",
    "NVML_VALUE_TYPE_SIGNED_INT": "siVal", "NVML_VALUE_TYPE_UNSIGNED_SHORT": "usVal",
}  # fmt: skip

T = TypeVar("T")


class Device:
    """One GPU for a whole run: remembers the calls that it refuses, and reports once when it is lost."""

    def __init__(self, gpu: OpenGpu, say: Callable[[str], None]) -> None:
        self.gpu = gpu
        self.refused: dict[str, str] = {}  # kind of call: why it is not made any more
        self.failed: dict[str, str] = {}  # kind of call: why it failed last
        self.lost = ""  # why no call is made any more; empty: the GPU is there
        self._say = say
        self._events = self._listen()

    def ask(self, call: Call, costs: Costs, question: Callable[[], T]) -> T | None:
        """Return what `question` returns; None when the GPU does not answer."""
        if self.lost or call.kind in self.refused:
            return None
        try:
            return costs.of(call.kind, question)
        except self.gpu.nvml.NVMLError as error:
            self._note(call, error)
            return None

    def figures(self, call: Call, costs: Costs) -> dict[str, int]:
        """Return the figures of a call; none when there are none."""
        return dict(self.ask(call, costs, lambda: call.ask(self.gpu)) or {})

    def missing(self, empty: Collection[str]) -> Iterator[str]:
        """Yield why fields are missing: those of refused calls, and those of failed calls that are `empty`."""
        if self.lost:
            yield f"gpu: {self.lost}"
        if XIDS in self.refused:
            yield f"xids: {self.refused[XIDS]}"
        for call in (*calls.OFTEN, *calls.COUNTERS, *calls.ONCE, calls.PROGRAMS):
            if call.kind in self.refused and call.fields:
                yield f"{', '.join(call.fields)}: {self.refused[call.kind]}"
            elif call.kind in self.failed and (fields := [name for name in call.fields if name in empty]):
                yield f"{', '.join(fields)}: {self.failed[call.kind]}"

    def xids(self) -> list[int]:
        """Return the critical errors that the driver has reported since the last call of this."""
        nvml, xids = self.gpu.nvml, list[int]()
        while self._events is not None and not self.lost and len(xids) < MOST_XIDS:
            try:
                xids.append(int(nvml.nvmlEventSetWait_v2(self._events, 0).eventData))
            except nvml.NVMLError:  # a time-out: there is none; a lost GPU shows itself in the calls
                break
        return xids

    def close(self) -> None:
        """Close what was opened."""
        nvml = self.gpu.nvml
        if self._events is not None:
            with contextlib.suppress(nvml.NVMLError):
                nvml.nvmlEventSetFree(self._events)
            self._events = None
        self.gpu.close()

    def _listen(self) -> Any:
        nvml = self.gpu.nvml
        try:
            events = nvml.nvmlEventSetCreate()
            nvml.nvmlDeviceRegisterEvents(self.gpu.whole, nvml.nvmlEventTypeXidCriticalError, events)
        except nvml.NVMLError as error:
            self.refused[XIDS] = nvidia.explain(error, nvml)
            return None
        return events

    def _note(self, call: Call, error: Exception) -> None:
        nvml, value = self.gpu.nvml, getattr(error, "value", None)
        if value in [getattr(nvml, name) for name in LOSSES]:
            self.lost = f"GPU {self.gpu.uuid} was lost: {error}"
            self._say(
                f"{self.lost}. Its figures are empty from now on, those of the processor continue; dmesg says why."
            )
        elif value in [getattr(nvml, name) for name in REFUSALS]:
            self.refused[call.kind] = nvidia.explain(error, nvml)
        else:
            self.failed[call.kind] = f"no answer, {error}"


class NvmlProbe:
    """Observes the GPU of one replicate."""

    def __init__(
        self,
        device: Device,
        watched: Watched,
        owner: Owner,
        costs: Costs,
        *,
        energy: bool = False,
        clocks: Callable[[], stamps.Clocks] = stamps.clocks,
    ) -> None:
        """Observe `device`; `energy`: read its energy counter at every look, whatever that takes."""
        self.device = device
        self.watched = watched
        self.owner = owner
        self.foreign: dict[int, str] = {}  # by PID: their names; negative: programs that are not listed
        self.xids: list[int] = []
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}
        self._costs = costs
        self._energy = energy
        self._clocks = clocks
        self._listed_before: frozenset[int] = frozenset()
        self._drained: dict[str, int] = {}  # by buffer: the time stamp of its newest sample, microseconds
        self._buffered: set[str] = set()  # kinds of calls whose figures come from the driver's buffer

    def begin(self, now_ns: int) -> Iterable[Sample]:
        """Look before the process exists: memory, other programs, counters; empty the driver's buffers."""
        self.device.xids()
        self.before = self._all(calls.MEMORY, *calls.COUNTERS, *calls.ONCE, calls.ENERGY)
        list(self._drain())
        self._buffered.clear()
        listed = self._listed()
        if listed is not None:
            self._listed_before = frozenset(listed)
            self._note_foreign(self.owner.others(listed, before=True))
            self._note_unlisted(listed)
        return self._rows(self._clocks()[0], self.before)

    def look(self, now_ns: int) -> Iterable[Sample]:
        """Look while it runs."""
        slow = self.watched.is_slow_look
        due = [call for call in calls.OFTEN if slow or self._is_due(call)]
        samples = self._timed(call for call in due if call.kind not in self._buffered)
        if self._energy and self.watched.phase == AT_REST:
            samples += self._tick(samples)
        if self.watched.is_tenth_look:  # a buffer holds a few seconds
            samples += self._drain()
            self.xids += self.device.xids()
        if self.watched.edge:
            samples += self._rows(now_ns, self._all(calls.VIOLATIONS))
            samples += self._programs(now_ns)
        return samples

    def end(self, now_ns: int) -> Iterable[Sample]:
        """Look once it has ended and its memory is free."""
        samples = self._drain()
        samples += self._programs(now_ns)
        self.after = self._all(calls.MEMORY, *calls.COUNTERS, calls.ENERGY)
        self._wait(self._holds_memory, self.after)
        self._note_stayed()
        self.xids += self.device.xids()
        return [*samples, *self._rows(self._clocks()[0], self.after)]

    def _wait(self, is_held: Callable[[], bool], figures: dict[str, int]) -> None:
        """Renew `figures` of the memory until it is released, for a second at most."""
        deadline = time.monotonic() + RELEASE_S
        while is_held() and time.monotonic() < deadline:
            time.sleep(RELEASE_EVERY_S)
            figures |= self._all(calls.MEMORY)

    def _holds_memory(self) -> bool:
        """Whether more of the memory is used than before."""
        name = "device_used_bytes"
        return self.after.get(name, 0) > self.before.get(name, 0) + RELEASED_BYTES

    def _is_due(self, call: Call) -> bool:
        return self._costs.median_ns(call.kind) <= SLOW_NS or (self._energy and call is calls.ENERGY)

    def _all(self, *kinds: Call) -> dict[str, int]:
        return {name: value for call in kinds for name, value in self.device.figures(call, self._costs).items()}

    def _timed(self, kinds: Iterable[Call]) -> list[Sample]:
        """Return the figures of calls, each at the end of its own call: no figure is newer than its time.

        The look may begin long before: calls take turns, and on a busy machine each may wait. An energy replicate keeps
        what a reading of the counter took as well, because the value is of an unknown moment of the call.
        """
        samples = []
        for call in kinds:
            begin_ns = self._clocks()[0]
            figures = self.device.figures(call, self._costs)
            end_ns = self._clocks()[0]
            if figures and call is calls.ENERGY and self._energy:
                figures[ENERGY_CALL] = max(0, end_ns - begin_ns)
            samples += self._rows(end_ns, figures)
        return samples

    def _tick(self, samples: Sequence[Sample]) -> list[Sample]:
        """Read the energy counter until it ticks; return the two readings around the tick.

        So its time is known to the length of a call, not to that of a look, and with it the power at rest.
        """
        before = [sample for sample in samples if sample[3] == "energy_mj"]
        until_ns, last = self._clocks()[0] + TICK_S * 1e9, list[Sample]()
        for _ in range(int(TICK_S / TICK_EVERY_S)):
            if not before or self._clocks()[0] > until_ns:
                break
            time.sleep(TICK_EVERY_S)
            read = self._timed([calls.ENERGY])
            if not read or read[0][4] != before[0][4]:
                return [*last, *read]
            last = read
        return last

    def _rows(self, now_ns: int, figures: dict[str, int]) -> list[Sample]:
        return [(now_ns, "nvml", self.watched.subject, name, float(value)) for name, value in figures.items()]

    def _drain(self) -> list[Sample]:
        """Return the new samples of the driver's buffers, with the driver's own time stamps."""
        samples = []
        for call in (call for call in calls.OFTEN if call.buffer):
            buffer = Call(kind=f"{call.kind} buffer", ask=call.ask)
            read = self.device.ask(buffer, self._costs, partial(self._read, call)) or []
            if read:
                self._buffered.add(call.kind)
            else:  # it has stopped, or never begun: ask again
                self._buffered.discard(call.kind)
            samples += [(unix_ns, "nvml", self.watched.subject, call.metric, value) for unix_ns, value in read]
        return samples

    def _read(self, call: Call) -> list[tuple[int, float]]:
        """Return (Unix time in ns, value) of a buffer's new samples; raises NVMLError."""
        nvml, since = self.device.gpu.nvml, self._drained.get(call.buffer, 0)
        try:
            kind, samples = nvml.nvmlDeviceGetSamples(self.device.gpu.whole, getattr(nvml, call.buffer), since)
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_NOT_FOUND:  # nothing new
                return []
            raise
        field = next((name for constant, name in VALUE_FIELDS.items() if kind == getattr(nvml, constant)), "uiVal")
        stamped = [(one.timeStamp, getattr(one.sampleValue, field)) for one in samples if one.timeStamp > since]
        if not stamped:
            return []
        newest = self._drained[call.buffer] = max(stamp for stamp, _ in stamped)
        ahead_ns = stamps.unix_ahead_ns(newest, self._clocks())
        return [(stamp * 1000 + ahead_ns, float(value)) for stamp, value in stamped]

    def _listed(self) -> dict[int, int | None] | None:
        return self.device.ask(calls.PROGRAMS, self._costs, self.device.gpu.programs)

    def _programs(self, now_ns: int) -> list[Sample]:
        """Return the memory of the replicate's own processes; note those of others."""
        listed = self._listed()
        if listed is None:
            return []
        own = self.owner.own(listed)
        self._note_foreign(self.owner.others(listed))
        held = [listed[pid] for pid in own]
        if not held or None in held:
            return []
        return self._rows(now_ns, {"device_process_bytes": sum(size for size in held if size is not None)})

    def _note_foreign(self, pids: Iterable[int]) -> None:
        for pid in pids:
            self.foreign.setdefault(pid, nvidia.program(pid))

    def _note_unlisted(self, listed: dict[int, int | None]) -> None:
        """Note memory that nobody explains; what the replicate before held is waited for."""
        if self.owner.company:  # they hold memory, and may not be listed
            return

        def rest() -> int:
            return gpus.unexplained(self.before.get("device_used_bytes"), listed.values())

        self._wait(lambda: bool(rest()), self.before)
        if size := rest():
            self.foreign[-1] = gpus.unlisted(size)

    def _note_stayed(self) -> None:
        """Note the programs that were there before the replicate and are after it, where their PIDs say nothing."""
        if self.owner.sees_host or self.owner.company or not self._listed_before:
            return
        for pid in self._listed_before & (self._listed() or {}).keys():
            self.foreign.setdefault(pid, f"process {pid}, as the driver numbers it")
