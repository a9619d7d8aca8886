"""Faults in forked processes: a batch each, so that no memory and no state of one batch reaches the next.

A process that dies or hangs costs the fault that it was at; the rest of its batch goes to another one.
"""

import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from harness.environments import checkout
from tests.faults import inside
from tests.faults.outcome import OTHER, Outcome, Wrong

BATCH: Final = 20  # faults of one process
LONGEST_S: Final = 240.0  # that one fault may take: a dozen commands
MOST_BYTES: Final = 8 << 30  # of address space: a process that wants more gets a MemoryError, not this host's memory

FORK: Final = multiprocessing.get_context("fork")

One = Callable[[int], Outcome]


@dataclass(slots=True)
class Batch:
    """A process and the faults that it still has to plant."""

    numbers: list[int]
    process: BaseProcess
    since: float = field(default_factory=time.monotonic)  # when it began the first of `numbers`


def outcomes(kind: str, one: One, numbers: Sequence[int], processes: int) -> Iterator[Outcome]:
    """Yield the outcome of each of `numbers`, as they come, from so many processes side by side."""
    inside.preload()
    with checkout.snapshot() as code:
        yield from _outcomes(kind, one, numbers, processes, code)


def _outcomes(kind: str, one: One, numbers: Sequence[int], processes: int, code: Path) -> Iterator[Outcome]:
    waiting = [list(numbers[at : at + BATCH]) for at in range(0, len(numbers), BATCH)]
    running: dict[Connection, Batch] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                connection, batch = _started(one, waiting.pop(0), code)
                running[connection] = batch
            for ready in multiprocessing.connection.wait(list(running), timeout=1.0):
                assert isinstance(ready, Connection)
                yield from _heard(kind, ready, running, waiting)
            for batch in running.values():
                if time.monotonic() - batch.since > LONGEST_S:
                    batch.process.kill()
    finally:
        for batch in running.values():
            batch.process.kill()
            batch.process.join()


def _started(one: One, numbers: list[int], code: Path) -> tuple[Connection, Batch]:
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_work, args=(one, numbers, theirs, code), daemon=True)
    process.start()
    theirs.close()
    return ours, Batch(numbers, process)


def _heard(
    kind: str, ready: Connection, running: dict[Connection, Batch], waiting: list[list[int]]
) -> Iterator[Outcome]:
    """Yield what a process says; when it is gone, the fault that it was at, and let another one take the rest."""
    batch = running[ready]
    try:
        outcome: Outcome = ready.recv()
    except EOFError:
        del running[ready]
        ready.close()
        batch.process.join()
        if batch.numbers:
            hung = time.monotonic() - batch.since > LONGEST_S
            what = "it did not end" if hung else f"the process died, exit code {batch.process.exitcode}"
            yield Outcome(kind=kind, number=batch.numbers[0], planted="", wrong=(Wrong(of=OTHER, what=what),))
            if batch.numbers[1:]:
                waiting.insert(0, batch.numbers[1:])
        return
    batch.numbers.remove(outcome.number)
    batch.since = time.monotonic()
    yield outcome


def _work(one: One, numbers: Sequence[int], theirs: Connection, code: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its batches
    inside.guard(code)
    for number in numbers:
        begin = time.monotonic()
        outcome = one(number)
        theirs.send(_timed(outcome, time.monotonic() - begin))
    theirs.close()
    os._exit(0)  # without what would run at the end of the parent


def _timed(outcome: Outcome, seconds: float) -> Outcome:
    return Outcome(
        kind=outcome.kind,
        number=outcome.number,
        planted=outcome.planted,
        wrong=outcome.wrong,
        skipped=outcome.skipped,
        seconds=seconds,
    )
