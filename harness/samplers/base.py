"""The only thread loop: asks a probe at a steady, slow rate and keeps what it says."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from harness.store import Sample

PERIOD_S: Final = 0.1  # 10 Hz: enough for a curve, too little to disturb

Probe = Callable[[], Sequence[tuple[str, str, str, float]]]  # (source, subject, metric, value) of now


class Sampler:
    """Collects samples while its `with` block runs; the thread ends with the block."""

    def __init__(self, probe: Probe, period_s: float = PERIOD_S) -> None:
        self._probe = probe
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sampler", daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(self._period_s):
            now = time.time_ns()
            self.samples.extend((now, *one) for one in self._probe())
