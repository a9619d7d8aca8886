"""The sampling thread: looks at a replicate through its probes at a steady, slow rate, and keeps their samples.

    begin of every probe ─→ the replicate is started ─→ look, look, … (10 Hz) ─→ it has ended ─→ end of every probe

Calls that disturb (process lists, walks through a process's pages) are made between two phases only, and never while
the timed rounds run.
"""

import contextlib
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from bench.turns.turn import PHASE_FILE, REPEATS
from harness.samplers import procfs
from harness.store.samples import Sample

PERIOD_S: Final = 0.1  # 10 Hz: enough for a curve, too little to disturb
SLOW_EVERY: Final = 10  # the less urgent calls are made at one of so many looks
UNDISTURBED: Final = "rounds"  # the phase at whose beginning no call that disturbs is made
STEADY_PHASES: Final = ("warmup", "rounds")  # in these the device does the work that is measured

T = TypeVar("T")


class Watched:
    """The replicate that the probes observe: its first process and the phase it is in."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.pid: int | None = None  # as this process sees it; None: not known
        self.phase = ""  # empty: not known
        self.edge = False  # another phase has begun since the previous look
        self.looks = 0
        self._file: str | None = None

    def started(self, pid: int, folder: Path | None = None) -> None:
        """Take note of the PID of its first process, 0 where it is not known, and of the folder that has its phase."""
        self._file = str(folder / PHASE_FILE) if folder else None
        self.pid = pid or None

    def look(self) -> bool:
        """Read which phase it is in; return whether a new one has begun."""
        self.looks += 1
        before = self.phase
        if self._file:
            with contextlib.suppress(OSError):
                self.phase = procfs.text(self._file) or before
        self.edge = self.phase not in (before, UNDISTURBED)
        return self.phase != before

    @property
    def is_tenth_look(self) -> bool:
        """Whether this look makes the less urgent calls."""
        return self.looks % SLOW_EVERY == 1

    @property
    def is_slow_look(self) -> bool:
        """Whether this look makes the less urgent calls that take long, which never happens in the timed rounds."""
        return self.is_tenth_look and self.phase != UNDISTURBED

    @property
    def is_steady(self) -> bool:
        """Whether it is doing the work that is measured."""
        return self.phase in STEADY_PHASES

    @property
    def is_over(self) -> bool:
        """Whether its record is written; further processes of the same turn follow."""
        return self.phase == REPEATS


class Costs:
    """The time that each kind of call took."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._ns: dict[str, list[int]] = defaultdict(list)

    def of(self, kind: str, call: Callable[[], T]) -> T:
        """Return what `call` returns, raise what it raises; keep the time it took."""
        begin = self._clock()
        try:
            return call()
        finally:
            self._ns[kind].append(self._clock() - begin)

    def median_ns(self, kind: str) -> float:
        """Return the median time of a kind of call, 0 when there was none."""
        return statistics.median(self._ns[kind]) if self._ns[kind] else 0.0

    def slowest(self) -> tuple[str, int | None]:
        """Return the kind and the time of the longest call; ("", None) when there was none."""
        if not self._ns:
            return "", None
        kind = max(self._ns, key=lambda name: max(self._ns[name]))
        return kind, max(self._ns[kind])

    def samples(self, now_ns: int, subject: str) -> Iterable[Sample]:
        """Yield median and longest latency of each kind of call."""
        for kind, taken in sorted(self._ns.items()):
            yield (now_ns, "sampler", subject, f"{kind} median_ns", float(statistics.median(taken)))
            yield (now_ns, "sampler", subject, f"{kind} longest_ns", float(max(taken)))


class Probe(Protocol):
    """Observes one side of a replicate; never raises."""

    def begin(self, now_ns: int) -> Iterable[Sample]:
        """Look before the replicate is started."""
        ...

    def look(self, now_ns: int) -> Iterable[Sample]:
        """Look while it runs."""
        ...

    def end(self, now_ns: int) -> Iterable[Sample]:
        """Look once it has ended."""
        ...


class Sampler:
    """Collects samples while its `with` block runs, except while it is paused; the thread ends with the block."""

    def __init__(self, watched: Watched, probes: Sequence[Probe], costs: Costs, period_s: float = PERIOD_S) -> None:
        self._watched = watched
        self._probes = probes
        self._costs = costs
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._begin_ns = 0
        self.samples: list[Sample] = []
        self.looks = 0
        self.cpu_ns = 0  # of the thread, once it is paused or has ended
        self.wall_ns = 0  # in which it ran

    def __enter__(self) -> Self:
        for probe in self._probes:
            self.samples.extend(probe.begin(time.time_ns()))
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
        for probe in self._probes:
            self.samples.extend(probe.end(time.time_ns()))
        self.samples.extend(self._costs.samples(time.time_ns(), self._watched.subject))

    def pause(self) -> None:
        """Stop sampling: the replicate is parked. Do nothing when it is paused."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        self.wall_ns += time.perf_counter_ns() - self._begin_ns

    def resume(self) -> None:
        """Go on sampling. Do nothing when it runs."""
        if self._thread is not None:
            return
        self._stop.clear()
        self._begin_ns = time.perf_counter_ns()
        self._thread = threading.Thread(target=self._loop, name="sampler", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self._stop.wait(self._period_s):
            self._look()
        self.cpu_ns += time.thread_time_ns()

    def _look(self) -> None:
        now_ns, watched = time.time_ns(), self._watched
        self.looks += 1
        if watched.look():
            self.samples.append((now_ns, "turn", watched.subject, watched.phase, 1.0))
        if watched.is_over:
            return
        for probe in self._probes:
            self.samples.extend(probe.look(now_ns))
