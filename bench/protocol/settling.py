"""The calls after the first, timed one by one: some modes compile or capture in the second call, or later.

A call compiled when a counter of the framework's proof has risen in it (compilations, traces, graphs, CUDA graphs), or
by its time (`stands_out`). Calls go on until `QUIET` in a row did neither, and further while they are cheap: what is
captured in the tenth call is then found, too.
"""

import gc
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.protocol.rounds import Clock, RoundTimer
from bench.records.record import ModeProof

QUIET: Final = 3  # calls after the last one that compiled
MOST: Final = 20  # calls at all
CHEAP_NS: Final = 100_000_000  # calls go on up to `MOST` until they have taken so long together
# A core of a shared machine may run at half speed, and share its units with another thread: less than five times as
# long. A process that waits for a processor, or whose threads wait for one that does, loses some 10 ms at once.
TIMES: Final = 5
LEAST_NS: Final = 30_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call after the first."""

    ns: int
    cpu_ns: int  # of the process, all threads, and of the compilers that it started and that have ended
    counted: bool  # whether a counter of the framework rose in it


def settling(timer: RoundTimer, cpu_clock: Clock) -> tuple[int, ...]:
    """Make calls until the mode is steady; return the durations in ns up to the last that compiled: empty, none did."""
    calls: list[Call] = []
    begin = timer.clock()
    counters = _counters(timer.step.proof())
    gc.disable()  # a collection would take as long as a small compilation
    try:
        while len(calls) < MOST and (len(calls) - last(calls) < QUIET or timer.clock() - begin < CHEAP_NS):
            ns, cpu_ns = _timed(timer, cpu_clock)
            before, counters = counters, _counters(timer.step.proof())
            counted = any(now > then for now, then in zip(counters, before, strict=True))
            calls.append(Call(ns=ns, cpu_ns=cpu_ns, counted=counted))
    finally:
        gc.enable()
    return tuple(call.ns for call in calls[: last(calls)])


def last(calls: Sequence[Call]) -> int:
    """Return the number of the last call that compiled, from 1; 0: none did."""
    found = [number for number, call in enumerate(calls, 1) if call.counted or stands_out(call, calls)]
    return max(found, default=0)


def stands_out(call: Call, calls: Sequence[Call]) -> bool:
    """Return whether a call took far longer than the shortest of the last ones, by the clock and in processor time.

    A disturbed machine makes calls longer, too, but not in processor time, or by less than `TIMES` or `LEAST_NS`.
    """
    usual = calls[-QUIET:]
    ns, cpu_ns = min(other.ns for other in usual), min(other.cpu_ns for other in usual)
    return call.ns > TIMES * ns and call.cpu_ns > TIMES * cpu_ns and min(call.ns - ns, call.cpu_ns - cpu_ns) > LEAST_NS


def _timed(timer: RoundTimer, cpu_clock: Clock) -> tuple[int, int]:
    cpu, begin = cpu_clock() + _compilers_ns(), timer.clock()
    timer.round(1)
    ns = timer.clock() - begin
    return ns, cpu_clock() + _compilers_ns() - cpu


def _compilers_ns() -> int:
    """Return the CPU time of the child processes that have ended: g++, ptxas."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((spent.ru_utime + spent.ru_stime) * 1e9)


def _counters(proof: ModeProof) -> tuple[int, ...]:
    """Return what the framework counts of its compiling; what it does not count is 0."""
    return tuple(count or 0 for count in (proof.compilations, proof.traces, proof.graphs, proof.cuda_graphs))
