"""The figures of one replicate of a pipeline, from its raw passes.

A rate is that of the steady part: the first batch, which waits for the workers to start, has a figure of its own. Of
the passes of one part the median counts.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bench.records.streaming import Pass, Streaming, StreamPart

COLD: Final = 0.9  # of what a pass consumed was read from the device: the page cache did not have it
WARM: Final = 0.1  # at most so much of it was

Value = Callable[[Pass], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One replicate; None: not measured, or not told."""

    pipeline_ns: float | None  # time of a sample, the pipeline alone
    step_ns: float | None  # the step alone
    both_ns: float | None  # both, one after the other
    cold_ns: float | None  # both, the page cache empty for these files and that proved
    stall: float | None  # share of the time of both in which the step waited for a batch
    pipeline_cpu_ns: float | None  # processor time of a sample, all threads of all processes
    both_cpu_ns: float | None
    cores: float | None  # processor time ÷ time of both
    memory_bytes: int | None  # the most that all processes held
    memory_kind: str  # "pss" or "rss"; empty: not known
    first_batch_ns: int | None
    processes: int | None
    threads: int | None  # the most in all processes
    cpus: tuple[int, ...]  # that any of the processes may use
    of_page_cache: float | None  # bytes a second of the pipeline alone ÷ those of plain reading
    why_not_cold: str  # why there is no figure of a cold page cache; empty: there is one, or none applies


def of(streaming: Streaming) -> Figures:
    """Return the figures of a replicate."""
    passes = streaming.passes
    cold = [each for each in passes if each.cache == "cold"]
    proved = [each for each in cold if is_cold(each, streaming)]
    warm = [each for each in passes if each.cache != "cold" and not is_read_again(each, streaming)]
    pipeline_ns = _median(warm, "pipeline", sample_ns)
    kinds = {each.memory_kind for each in passes if each.memory_kind}
    return Figures(
        pipeline_ns=pipeline_ns,
        step_ns=_median(warm, "step", sample_ns),
        both_ns=_median(warm, "both", sample_ns),
        cold_ns=_median(proved, "both", sample_ns),
        stall=_median(warm, "both", stall),
        pipeline_cpu_ns=_median(warm, "pipeline", cpu_ns),
        both_cpu_ns=_median(warm, "both", cpu_ns),
        cores=_median(warm, "both", lambda each: each.cpu_ns / each.wall_ns),
        memory_bytes=max((each.memory_bytes for each in passes if each.memory_bytes is not None), default=None),
        memory_kind=kinds.pop() if len(kinds) == 1 else "",
        first_batch_ns=streaming.first_batch_ns,
        processes=max((each.processes for each in passes), default=None),
        threads=max((each.threads for each in passes), default=None),
        cpus=tuple(sorted({cpu for each in passes for cpu in each.cpus})),
        of_page_cache=_of_page_cache(streaming, pipeline_ns),
        why_not_cold=_why_not_cold(cold) if cold and not proved else "",
    )


def sample_ns(one: Pass) -> float | None:
    """Return the time of a sample, the first batch left out where there are others."""
    samples, ns = _steady(one)
    return ns / samples if ns > 0 else None


def stall(one: Pass) -> float | None:
    """Return the share of the time in which the loop waited for a batch, the first left out where there are others."""
    _, ns = _steady(one)
    waited = one.wait_ns - (one.first_batch_ns if one.batches > 1 else 0)
    return max(0.0, waited) / ns if ns > 0 else None


def cpu_ns(one: Pass) -> float:
    """Return the processor time of a sample, of all processes, what the first batch took included."""
    return one.cpu_ns / one.samples


def is_cold(one: Pass, streaming: Streaming) -> bool:
    """Return whether what a pass consumed came from the storage device."""
    return one.read_bytes is not None and one.read_bytes >= COLD * _consumed(one, streaming)


def is_read_again(one: Pass, streaming: Streaming) -> bool:
    """Return whether a pass that was to find its files in the page cache read them from the device after all."""
    return one.cache == "warm" and (one.read_bytes or 0) > WARM * _consumed(one, streaming)


def _consumed(one: Pass, streaming: Streaming) -> float:
    """Return the bytes of the files that a pass consumed; those of a second epoch are in the page cache by then."""
    return min(one.samples, streaming.samples) / streaming.samples * streaming.data_bytes


def _steady(one: Pass) -> tuple[float, float]:
    """Return samples and time of a pass without its first batch and the step on it."""
    if one.batches < 2 or not one.first_batch_ns:
        return one.samples, one.wall_ns
    rest = one.batches - 1
    return one.samples * rest / one.batches, one.wall_ns - one.first_batch_ns - one.step_ns / one.batches


def _of_page_cache(streaming: Streaming, pipeline_ns: float | None) -> float | None:
    if pipeline_ns is None or not streaming.plain_read_ns or not streaming.plain_read_bytes:
        return None
    sample_bytes = streaming.data_bytes / streaming.samples
    return (sample_bytes / pipeline_ns) / (streaming.plain_read_bytes / streaming.plain_read_ns)


def _why_not_cold(cold: Iterable[Pass]) -> str:
    if all(one.read_bytes is None for one in cold):
        return "this kernel does not count what a process reads from the device"
    return "the files stayed in the page cache, as they do on a file system in memory"


def _median(passes: Iterable[Pass], part: StreamPart, value: Value) -> float | None:
    known = [found for one in passes if one.part == part and (found := value(one)) is not None]
    return statistics.median(known) if known else None
