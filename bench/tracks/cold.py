"""The turn that measures a cold start on an emptied page cache: import, load, first call, then the gate.

The launcher has asked the kernel to forget the files of the framework's environment before it started this process, and
this turn does so with the model, which was just copied. Whether the kernel did is told by the bytes that the process
then reads from storage. Python's own files and NumPy's are not counted: they are loaded before.
"""

import dataclasses
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from bench.data.dataset import drop_from_page_cache
from bench.interface import Framework
from bench.protocol.phases import PhaseClock, ending
from bench.protocol.replicate import Replicate
from bench.protocol.required import require_mode
from bench.records.record import ColdStart, Moment, Record
from bench.turns import prepare
from bench.turns.turn import IN_CONTAINERS, Turn

COUNTERS: Final = Path("/proc/self/io")  # proc(5)
READ: Final = "read_bytes:"
IN_CONTAINER: Final = "in a container the files of the environment are not emptied: use --launcher venv"


def run(turn: Turn, announce: Callable[[str], None], startup_ns: int) -> Record:
    """Start once on the emptied cache and pass the gate; return the record, in any case."""
    clock = time.perf_counter_ns
    empty_model()
    phase = PhaseClock(clock, announce, startup_ns)
    counts = [read_bytes()]

    def note(moment: Moment, framework: Framework) -> None:
        if moment == "first step":
            counts.append(read_bytes())

    replicate = Replicate(turn, phase, clock, cache_entries=prepare.cache_entries, note=note)

    def go() -> str | None:
        if turn.launcher in IN_CONTAINERS:
            return IN_CONTAINER
        gate = replicate.begin(partial(prepare.framework_of, turn.cell), partial(prepare.workload_of, turn))
        if isinstance(gate, str):
            return gate
        with phase("check"):
            replicate.proof = gate.step.proof()
            require_mode(turn.cell, turn.threads, replicate.proof)
        return None

    status, reason, failure = ending(phase, go)
    with phase("teardown"):
        record = replicate.record(status, reason, failure)
    return dataclasses.replace(record, cold=_cold(replicate, counts), phases=phase.phases())


def _cold(replicate: Replicate, counts: list[int | None]) -> ColdStart | None:
    if replicate.load_ns is None or replicate.first_step_ns is None:
        return None
    before, after = counts[0], counts[-1]
    return ColdStart(
        load_ns=replicate.load_ns,
        first_step_ns=replicate.first_step_ns,
        read_bytes=None if before is None or after is None else after - before,
    )


def empty_model() -> None:
    """Write the turn's copy of the model to storage, where it has one, and ask the kernel to forget it."""
    path = Path(os.environ.get(prepare.MODEL, ""))
    if not path.is_file():
        return
    with path.open("rb") as file:
        os.fsync(file.fileno())
    drop_from_page_cache([path])


def read_bytes(counters: Path = COUNTERS) -> int | None:
    """Return the bytes that this process and its ended children had read from storage; None: nobody counts them."""
    try:
        lines = counters.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.removeprefix(READ) for line in lines if line.startswith(READ)]
    return int(found[0]) if found else None
